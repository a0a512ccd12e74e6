//! A server whose keys are known.

use jiff::SignedDuration;

use super::{Decided, Decision, Look, foreign, hold};
use crate::initialise::reason::{Stuck, Waiting};
use crate::initialise::seen::{Given, Own, PeerSeen, Seen, VolumeSeen};
use crate::initialise::step::Step;
use crate::initialise::{GIVEN_LASTS, REFUSED_RETRY};
use crate::record::Generation;

pub(super) fn decide(seen: &Seen, keys: &Generation) -> Decided {
    match &seen.own {
        Own::Unsealed => Ok(unsealed(seen)),
        Own::Absent(why) => Err(hold(why)),
        Own::Uninitialised => Err(joins(seen, keys)),
        Own::Sealed { threshold: 0 } => Err(hold(Waiting::Challenge)),
        Own::Sealed { .. } => sealed(seen),
    }
}

/// Only the initialising server ever had an answer, and its volume was looked at.
fn unsealed(seen: &Seen) -> Decision {
    let answer_stands = seen.server.initialises()
        && matches!(&seen.volume, Some(Ok(VolumeSeen { answer: Some(_), .. })));
    if answer_stands && seen.memory.proven {
        return Decision::Do(Step::ForgetAnswer);
    }
    Decision::Rest
}

/// A server without data joins by itself, unless there is no data anywhere.
fn joins(seen: &Seen, keys: &Generation) -> Decision {
    let Some(peers) = &seen.peers else {
        return Decision::Look(Look::Peers);
    };
    let is = |state: PeerSeen| peers.values().any(|seen| *seen == state);
    if is(PeerSeen::Initialised) || is(PeerSeen::Silent) {
        return hold(Waiting::ToJoin);
    }
    hold(Stuck::DataLost(keys.clone()))
}

fn sealed(seen: &Seen) -> Decided {
    // A clock that was set back makes the past lie in the future; that is not recent.
    let recent = |at, least| (SignedDuration::ZERO..least).contains(&seen.now.duration_since(at));
    if let Some(refused) = &seen.memory.refused {
        if refused.times >= 2 && recent(refused.at, REFUSED_RETRY) {
            return foreign::decide(seen, refused);
        }
        return Ok(Decision::Do(Step::Unseal));
    }
    match &seen.memory.given {
        Some(Given { at, .. }) if recent(*at, GIVEN_LASTS) => Err(hold(Waiting::Unsealing)),
        _ => Ok(Decision::Do(Step::Unseal)),
    }
}
