//! The one server that may initialise the cluster: its volume, the store and the others are
//! compared, and each combination has one way on.

use jiff::SignedDuration;
use vaultyard_model::port::server::KeyKind;

use super::{Decided, Decision, Look, hold, store, unreadable, unseal, volume};
use crate::initialise::LEAST_FREE_BYTES;
use crate::initialise::reason::{Stuck, Waiting};
use crate::initialise::seen::{LostAnswers, Own, PeerSeen, Seen, Trouble, VolumeSeen};
use crate::initialise::step::{Step, Wipe};
use crate::record::Generation;

/// After so many lost answers in one process the next attempt waits. One or two are lost in a
/// crash; what fails more often fails for a reason that lasts.
const LOST_BEFORE_WAITING: u32 = 4;
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);

enum Keys<'a> {
    Missing,
    Known(&'a Generation),
    Unreadable(&'a Trouble),
}

pub(super) fn decide(seen: &Seen) -> Decided {
    let VolumeSeen { intent, answer, released } = volume(seen)?;
    match (released, intent, keys(seen)?) {
        (_, _, Keys::Unreadable(trouble)) => Err(unreadable(trouble)),

        (Some(released), _, Keys::Known(keys)) => {
            same(released, keys)?;
            unseal::decide(seen, keys)
        }
        (Some(released), _, Keys::Missing) => Err(hold(Stuck::StoreLost(released.clone()))),

        // The keys arrived, and the process died before it could say so.
        (None, Some(intent), Keys::Known(keys)) => {
            same(intent, keys)?;
            let proven = seen.memory.proven.as_ref() == Some(keys);
            let keys = keys.clone();
            Ok(Decision::Do(if proven { Step::Release(keys) } else { Step::ProveKeys(keys) }))
        }
        (None, Some(intent), Keys::Missing) => match answer {
            None => without_answer(seen, intent),
            Some(Err(trouble)) if trouble.passes => Err(hold(trouble)),
            Some(Err(trouble)) => Err(hold(Stuck::AnswerUnreadable(trouble.text.clone()))),
            // It was taken into memory when it was seen, and left it only by a proof.
            Some(Ok(answer)) => Ok(Decision::Do(Step::ProveKeys(answer.clone()))),
        },

        // The volume was lost; the keys are there. Without an intent the server is never wiped, so
        // the release can wait until they have unsealed it: written before, it would bind the
        // server to whatever store is configured.
        (None, None, Keys::Known(keys)) => {
            if seen.own == Own::Unsealed && seen.memory.proven.as_ref() == Some(keys) {
                return Ok(Decision::Do(Step::Release(keys.clone())));
            }
            unseal::decide(seen, keys)
        }
        (None, None, Keys::Missing) => match answer {
            Some(Err(trouble)) => Err(hold(Stuck::AnswerUnreadable(trouble.text.clone()))),
            Some(Ok(answer)) => Ok(Decision::Do(Step::ProveKeys(answer.clone()))),
            None => fresh(seen),
        },
    }
}

fn keys(seen: &Seen) -> Result<Keys<'_>, Decision> {
    if let Some(keys) = &seen.memory.keys {
        return Ok(Keys::Known(keys));
    }
    Ok(match &store(seen)?.keys {
        None => Keys::Missing,
        Some(Ok(keys)) => Keys::Known(keys),
        Some(Err(trouble)) => Keys::Unreadable(trouble),
    })
}

fn same(volume: &Generation, store: &Generation) -> Result<(), Decision> {
    if volume == store {
        return Ok(());
    }
    let (volume, store) = (volume.clone(), store.clone());
    Err(hold(Stuck::OtherGeneration { volume, store }))
}

/// Nothing is known of any initialisation: begin one.
fn fresh(seen: &Seen) -> Decided {
    may_initialise(seen)?;
    let memory = &seen.memory;
    Ok(Decision::Do(match &memory.recorded {
        _ if !memory.encryption_probed => Step::ProbeEncryption,
        _ if !memory.store_probed => Step::ProbeStore,
        None => {
            waited_long_enough(seen)?;
            Step::RecordIntentInStore { attempt: store(seen)?.attempts + 1 }
        }
        Some(recorded) => Step::RecordIntentOnVolume(recorded.clone()),
    }))
}

/// An initialisation that has failed often in this process is not tried again at once.
fn waited_long_enough(seen: &Seen) -> Result<(), Decision> {
    let Some(LostAnswers { times, at, why }) = &seen.memory.lost else {
        return Ok(());
    };
    let wait = wait_after(*times);
    if !seen.is_recent(*at, wait) {
        return Ok(());
    }
    let again = at.saturating_add(wait).unwrap_or(*at);
    Err(hold(Waiting::LostAnswers { times: *times, why: why.clone(), again }))
}

fn wait_after(times: u32) -> SignedDuration {
    let Some(doublings) = times.checked_sub(LOST_BEFORE_WAITING) else {
        return SignedDuration::ZERO;
    };
    FIRST_WAIT.saturating_mul(1 << doublings.min(16)).min(LONGEST_WAIT)
}

/// The intent stands on the volume and nobody has keys. Unless it is known that the server was
/// not asked, its answer is lost; then there is nothing in it, and it is wiped.
fn without_answer(seen: &Seen, intent: &Generation) -> Decided {
    let memory = &seen.memory;
    if memory.may_request.as_ref() == Some(intent) {
        may_initialise(seen)?;
        return Ok(Decision::Do(Step::Request(intent.clone())));
    }
    if memory.wiped.as_ref() == Some(intent) {
        return Ok(Decision::Do(Step::DiscardIntent(intent.clone())));
    }
    // One with a seal of its own has opened itself; its only token was in the answer.
    if seen.own == Own::Unsealed && seen.kind == KeyKind::Unseal {
        return Err(hold(Stuck::UnsealedByOther));
    }
    // The intent went into the store before it came here. A store that does not hold this very one
    // has lost something, perhaps the keys too, or is another one.
    if !store(seen)?.intents.contains(intent) {
        return Err(hold(Stuck::IntentLost(intent.clone())));
    }
    nobody_else_is_initialised(seen)?;
    Ok(Decision::Do(Step::Wipe(Wipe::LostAnswer(intent.clone()))))
}

fn may_initialise(seen: &Seen) -> Result<(), Decision> {
    match &seen.own {
        Own::Uninitialised => {}
        Own::Sealed { .. } | Own::Unsealed => return Err(hold(Stuck::NotOurs)),
        Own::Absent(why) => return Err(hold(why)),
        Own::Hangs(why) => return Err(hold(Waiting::Server(why.clone()))),
    }
    nobody_else_is_initialised(seen)?;
    match &seen.free {
        None => Err(Decision::Look(Look::Free)),
        Some(Err(why)) => Err(hold(Waiting::Trouble(why.clone()))),
        Some(Ok(free)) if *free < LEAST_FREE_BYTES => {
            Err(hold(Waiting::Room { free: *free, least: LEAST_FREE_BYTES }))
        }
        Some(Ok(_)) => Ok(()),
    }
}

/// Every other server has said that it is not initialised. One that is silent may be anything.
fn nobody_else_is_initialised(seen: &Seen) -> Result<(), Decision> {
    let peers = seen.peers.as_ref().ok_or(Decision::Look(Look::Peers))?;
    let those = |state: &PeerSeen| {
        let which = peers.iter().filter(|(_, seen)| *seen == state);
        which.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let initialised = those(&PeerSeen::Initialised);
    if !initialised.is_empty() {
        return Err(hold(Stuck::PeerInitialised(initialised)));
    }
    let silent = those(&PeerSeen::Silent);
    if silent.is_empty() { Ok(()) } else { Err(hold(Waiting::Peers(silent))) }
}
