//! What the unsealer of one server does next, and why. Pure: the same [`Seen`] always gives the
//! same [`Decision`], and nothing is left to choose.
//!
//! A decision may ask to look at more first. So nothing is looked at that is not needed, and a
//! server that only has to be unsealed again waits for no store and for no other server.

mod answer;
mod foreign;
mod initialiser;
mod unseal;

use vaultyard_model::port::server::KeyKind;

use super::reason::{Reason, Stuck, Waiting};
use super::seen::{Own, PeerSeen, Seen, StoreSeen, Trouble, VolumeSeen};
use super::step::Step;
use crate::record::Generation;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Look at this and decide again.
    Look(Look),
    /// Do this.
    Do(Step),
    /// Nothing can be done now.
    Hold(Reason),
    /// Nothing is to be done.
    Rest,
}

/// Something that was not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The records on the server's own volume.
    Volume,
    /// The store.
    Store,
    /// The other servers.
    Peers,
    /// Which of them leads.
    Leader,
    /// The server's disk.
    Free,
    /// What the rest of the cluster says of this server.
    Membership,
}

fn hold(reason: impl Into<Reason>) -> Decision {
    Decision::Hold(reason.into())
}

/// The next step for the server, or what it waits for.
pub fn decide(seen: &Seen) -> Decision {
    let decided = match &seen.memory.answer {
        // Nothing is more urgent than an answer that stands nowhere else.
        Some(held) => answer::decide(held),
        None if seen.server.initialises() => initialiser::decide(seen),
        None => follower(seen),
    };
    decided.unwrap_or_else(|early| early)
}

/// A decision, or one that was reached before the end. Lets `?` leave as soon as something has
/// to be looked at or waited for.
type Decided = Result<Decision, Decision>;

/// A server that never initialises. It needs keys only when it is sealed and knows of what;
/// while it is unsealed they are fetched in advance, so that nothing is on the way later.
fn follower(seen: &Seen) -> Decided {
    if let Some(keys) = &seen.memory.keys {
        return unseal::decide(seen, keys);
    }
    match &seen.own {
        Own::Absent(why) => Err(hold(why)),
        Own::Uninitialised if seen.kind == KeyKind::Recovery => match store(seen)?.keys {
            None => Err(without_keys(seen)),
            Some(_) => unseal::decide(seen, stored_keys(seen)?),
        },
        Own::Uninitialised if unseal::waits_too_long(seen) && store(seen)?.keys.is_some() => {
            unseal::decide(seen, stored_keys(seen)?)
        }
        Own::Uninitialised => unseal::join(seen),
        Own::Sealed { threshold: 0 } if seen.kind == KeyKind::Unseal => {
            Err(hold(Waiting::Challenge))
        }
        Own::Sealed { .. } | Own::Hangs(_) => unseal::decide(seen, stored_keys(seen)?),
        Own::Unsealed => stored_keys(seen).map(|_| Decision::Rest),
    }
}

/// A server with a seal of its own waits for the keys, unless they do not come: others have been
/// initialised long ago.
fn without_keys(seen: &Seen) -> Decision {
    if !unseal::waits_too_long(seen) {
        return hold(Waiting::Keys);
    }
    let Some(peers) = &seen.peers else { return Decision::Look(Look::Peers) };
    let initialised = peers.iter().filter(|(_, state)| **state == PeerSeen::Initialised);
    let initialised: Vec<_> = initialised.map(|(name, _)| name.clone()).collect();
    if initialised.is_empty() {
        return hold(Waiting::Keys);
    }
    hold(Stuck::PeerInitialised(initialised))
}

/// The keys of the store; they must be there.
fn stored_keys(seen: &Seen) -> Result<&Generation, Decision> {
    match &store(seen)?.keys {
        Some(Ok(keys)) => Ok(keys),
        Some(Err(trouble)) => Err(unreadable(trouble)),
        None => Err(hold(Stuck::KeysMissing)),
    }
}

fn unreadable(trouble: &Trouble) -> Decision {
    if trouble.passes { hold(trouble) } else { hold(Stuck::KeysUnreadable(trouble.text.clone())) }
}

fn volume(seen: &Seen) -> Result<&VolumeSeen, Decision> {
    match &seen.volume {
        Some(Ok(volume)) => Ok(volume),
        Some(Err(trouble)) => Err(hold(trouble)),
        None => Err(Decision::Look(Look::Volume)),
    }
}

fn store(seen: &Seen) -> Result<&StoreSeen, Decision> {
    match &seen.store {
        Some(Ok(store)) => Ok(store),
        Some(Err(trouble)) => Err(hold(trouble)),
        None => Err(Decision::Look(Look::Store)),
    }
}

#[cfg(test)]
mod tests;
