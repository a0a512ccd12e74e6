//! A server that will never be a member with what it holds: its data is of another cluster or
//! generation, it was ended in the middle of joining, or somebody has taken it out of raft.

use super::{Decided, Decision, Look, hold};
use crate::initialise::reason::{Reason, Stuck, Waiting};
use crate::initialise::seen::{Membership, Refused, Seen};
use crate::initialise::step::{Step, Wipe};
use crate::initialise::{MEMBER_LOOK, OUTSIDE_LASTS};

/// The server refuses the stored keys.
pub(super) fn refuses(seen: &Seen, refused: &Refused) -> Decided {
    let why = refused.why.clone();
    replace(seen, Wipe::ForeignData, Stuck::KeysRefused { why }.into())
}

/// The server neither joins nor is unsealed, long after it should have been.
pub(super) fn half_joined(seen: &Seen, otherwise: Waiting) -> Decided {
    replace(seen, Wipe::HalfJoined, otherwise.into())
}

/// The server is unsealed. One that was taken out of raft stays so, answers as if all were well, and never hears
/// of another write; only without its data it is taken in again.
pub(super) fn taken_out(seen: &Seen) -> Decided {
    let looked = seen.memory.member_looked;
    if looked.is_none_or(|at| seen.is_recent(at, MEMBER_LOOK)) {
        return Ok(Decision::Rest);
    }
    let Some(membership) = &seen.membership else {
        return Err(Decision::Look(Look::Membership));
    };
    let outside = seen.memory.outside_since;
    let long = outside.is_some_and(|since| !seen.is_recent(since, OUTSIDE_LASTS));
    match membership {
        Ok(Membership { member: false, .. }) if long => {
            replace(seen, Wipe::TakenOut, Waiting::TakenOut.into())
        }
        Ok(_) | Err(_) => Ok(Decision::Rest),
    }
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
