//! A server whose keys are known.

use vaultyard_model::port::server::KeyKind;

use super::{Decided, Decision, Look, foreign, hold};
use crate::initialise::reason::{Stuck, Waiting};
use crate::initialise::seen::{Given, Own, PeerSeen, Seen, VolumeSeen};
use crate::initialise::step::Step;
use crate::initialise::{GIVEN_LASTS, JOIN_AGAIN, JOIN_LASTS, REFUSED_RETRY};
use crate::record::Generation;

/// A server that was killed while it took the shares answers the next time. One that hangs twice
/// will hang again.
const UNANSWERED: u32 = 2;

pub(super) fn decide(seen: &Seen, keys: &Generation) -> Decided {
    match &seen.own {
        Own::Unsealed => unsealed(seen, keys),
        Own::Absent(why) => Err(hold(why)),
        Own::Hangs(why) => hangs(seen, why),
        Own::Uninitialised => joins(seen, keys),
        // Recovery keys are never given to a server: it would not be unsealed, and might take them.
        Own::Sealed { .. } if seen.kind == KeyKind::Recovery => Err(hold(Waiting::Seal)),
        Own::Sealed { threshold: 0 } => Err(hold(Waiting::Challenge)),
        Own::Sealed { .. } => sealed(seen, keys),
    }
}

/// Only the initialising server ever had an answer, and its volume was looked at.
fn unsealed(seen: &Seen, keys: &Generation) -> Decided {
    if !seen.server.initialises() {
        return foreign::taken_out(seen);
    }
    let answer_stands = matches!(&seen.volume, Some(Ok(VolumeSeen { answer: Some(_), .. })));
    if answer_stands && seen.memory.proven.as_ref() == Some(keys) {
        return Ok(Decision::Do(Step::ForgetAnswer));
    }
    Ok(Decision::Rest)
}

/// A server without data joins, unless there is no data anywhere.
fn joins(seen: &Seen, keys: &Generation) -> Decided {
    let peers = seen.peers.as_ref().ok_or(Decision::Look(Look::Peers))?;
    let is = |state: PeerSeen| peers.values().any(|seen| *seen == state);
    if !is(PeerSeen::Initialised) && !is(PeerSeen::Silent) {
        return Err(hold(Stuck::DataLost(keys.clone())));
    }
    if !seen.server.initialises() && waits_too_long(seen) && may_have_joined_long_ago(seen) {
        return foreign::half_joined(seen, Waiting::ToJoin);
    }
    join(seen)
}

/// A server without data is told whom to join, and is unsealed within a second then.
pub(super) fn join(seen: &Seen) -> Decided {
    let told = seen.memory.told_to_join;
    if told.is_some_and(|at| seen.is_recent(at, JOIN_AGAIN)) {
        return Err(hold(Waiting::ToJoin));
    }
    match seen.leader.as_ref().ok_or(Decision::Look(Look::Leader))? {
        Some(leader) => Ok(Decision::Do(Step::Join { leader: leader.clone() })),
        None => Err(hold(Waiting::ToJoin)),
    }
}

/// One with a seal of its own is not told to join before the keys are known.
fn may_have_joined_long_ago(seen: &Seen) -> bool {
    let long = |since| seen.now.duration_since(since) >= JOIN_LASTS;
    seen.kind == KeyKind::Unseal || seen.memory.keys_since.is_some_and(long)
}

/// Whether the server should have joined long ago.
pub(super) fn waits_too_long(seen: &Seen) -> bool {
    let since = seen.memory.uninitialised_since;
    since.is_some_and(|since| seen.now.duration_since(since) >= JOIN_LASTS)
}

fn hangs(seen: &Seen, why: &str) -> Decided {
    if hangs_for_ever(seen) {
        return foreign::half_joined(seen, Waiting::ToBeReplaced(why.to_owned()));
    }
    Err(hold(Waiting::Server(why.to_owned())))
}

fn hangs_for_ever(seen: &Seen) -> bool {
    seen.kind == KeyKind::Unseal
        && seen.memory.unanswered >= UNANSWERED
        && !seen.server.initialises()
}

fn sealed(seen: &Seen, keys: &Generation) -> Decided {
    if let Some(refused) = &seen.memory.refused {
        let these = refused.keys == *keys;
        if these && refused.times >= 2 && seen.is_recent(refused.at, REFUSED_RETRY) {
            return foreign::refuses(seen, refused);
        }
        return Ok(Decision::Do(Step::Unseal));
    }
    if hangs_for_ever(seen) {
        if seen.membership.is_none() {
            return Err(Decision::Look(Look::Membership));
        }
        if let Ok(step) = foreign::half_joined(seen, Waiting::Unsealing) {
            return Ok(step);
        }
    }
    match &seen.memory.given {
        Some(Given { at, .. }) if seen.is_recent(*at, GIVEN_LASTS) => Err(hold(Waiting::Unsealing)),
        _ => Ok(Decision::Do(Step::Unseal)),
    }
}
