//! A server that will never be a member with what it holds: its data is of another cluster or
//! generation, or it was ended in the middle of joining.

use super::{Decided, Decision, Look, hold};
use crate::initialise::reason::{Reason, Stuck, Waiting};
use crate::initialise::seen::{Membership, Refused, Seen};
use crate::initialise::step::{Step, Wipe};

/// The server refuses the stored keys.
pub(super) fn refuses(seen: &Seen, refused: &Refused) -> Decided {
    let why = refused.why.clone();
    replace(seen, Wipe::ForeignData, Stuck::KeysRefused { why }.into())
}

/// The server neither joins nor is unsealed, long after it should have been.
pub(super) fn half_joined(seen: &Seen, otherwise: Waiting) -> Decided {
    replace(seen, Wipe::HalfJoined, otherwise.into())
}

/// Replaced only when the cluster demonstrably lives without it (invariant 1). The initialising
/// server is never replaced in this way.
fn replace(seen: &Seen, wipe: Wipe, otherwise: Reason) -> Decided {
    if seen.server.initialises() {
        return Err(hold(otherwise));
    }
    match &seen.membership {
        None => Err(Decision::Look(Look::Membership)),
        Some(Ok(Membership { quorum_without: true, keys_proven_elsewhere: true, member })) => {
            Ok(Decision::Do(if *member {
                Step::RemovePeer(seen.server.clone())
            } else {
                Step::Wipe(wipe)
            }))
        }
        Some(Ok(_) | Err(_)) => Err(hold(otherwise)),
    }
}
