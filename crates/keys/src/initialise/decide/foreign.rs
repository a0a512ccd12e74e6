//! A server that refuses the stored keys: its data is of another cluster or generation.

use super::{Decided, Decision, Look, hold};
use crate::initialise::reason::Stuck;
use crate::initialise::seen::{Membership, Refused, Seen};
use crate::initialise::step::{Step, Wipe};

/// Replaced only when the cluster demonstrably lives without it (invariant 1). The initialising
/// server is never replaced in this way.
pub(super) fn decide(seen: &Seen, refused: &Refused) -> Decided {
    let stuck = || hold(Stuck::KeysRefused { why: refused.why.clone() });
    if seen.server.initialises() {
        return Err(stuck());
    }
    match &seen.membership {
        None => Err(Decision::Look(Look::Membership)),
        Some(Ok(Membership { quorum_without: true, keys_proven_elsewhere: true, member })) => {
            Ok(Decision::Do(if *member {
                Step::RemovePeer(seen.server.clone())
            } else {
                Step::Wipe(Wipe::ForeignData)
            }))
        }
        Some(Ok(_) | Err(_)) => Err(stuck()),
    }
}
