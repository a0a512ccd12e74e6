//! The next step of a rollout: which server is replaced by one that is as the document says, or what
//! must hold before any is touched.
//!
//! One server at a time, the leader last. Whoever asks has nothing to remember: what was done is seen
//! in the servers themselves, so a rollout goes on where it was after any interruption, and a leader
//! that moves by itself in the middle changes only who is the last.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use vaultyard_model::observed::{Observed, ServerSeen, State};
use vaultyard_model::{ServerName, Version};

use crate::shortfall::{self, Shortfall};
use crate::shutdown::{self, HandOver};

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// Nothing: every server is as the document says.
    Done,
    /// End this server, so that one takes its place that is as the document says.
    Replace(&'a ServerName),
    /// Wait: no server may be touched before this has changed.
    Held(Held),
}

/// Why no server may be touched now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// One server is not as it should be: without another one there might be no majority.
    Lacks {
        /// Which.
        server: ServerName,
        /// What it lacks.
        shortfall: Shortfall,
    },
    /// Nothing is read through the leader.
    NotServed,
    /// Two answer as the leader: which of them is one is known in a moment.
    TwoLeaders,
    /// The leader is the last, and cannot hand its leadership over, for this reason.
    NoSuccessor(&'static str),
}

impl Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks { server, shortfall } => write!(f, "{server}: {shortfall}"),
            Self::NotServed => f.write_str("nothing can be read through the leader"),
            Self::TwoLeaders => f.write_str("two servers answer as the leader"),
            Self::NoSuccessor(why) => write!(f, "the leader cannot go: {why}"),
        }
    }
}

/// What is to be done now that `stale` are the servers that are not as the document says, and `wanted`
/// is the version that it says.
pub fn next<'a>(seen: &'a Observed, stale: &BTreeSet<ServerName>, wanted: &Version) -> Next<'a> {
    let is_stale = |server: &&ServerName| stale.contains(*server);
    let leads = |server: &&ServerName| {
        seen.servers.get(*server).and_then(ServerSeen::state) == Some(State::Active)
    };
    if !seen.servers.keys().any(|server| is_stale(&server)) {
        return Next::Done;
    }
    if seen.servers.keys().filter(leads).count() > 1 {
        return Next::Held(Held::TwoLeaders);
    }
    let lame = seen.servers.keys().filter_map(|server| {
        let lacks = shortfall::of(server, seen, wanted);
        Some((server, lacks.into_iter().find(bars)?))
    });
    let lame: Vec<_> = lame.collect();
    let majority = seen.servers.len() / 2 + 1;
    let sound = seen.servers.len() - lame.len();
    // One that does not run and is to go anyway is replaced first: its end costs nothing, and it may
    // be what is declared anew that makes it run.
    let dead =
        lame.iter().find(|(server, lack)| is_stale(server) && !leads(server) && does_not_run(lack));
    if let Some((server, _)) = dead
        && sound >= majority
        && seen.serves()
    {
        return Next::Replace(server);
    }
    if let Some((server, shortfall)) = lame.into_iter().next() {
        return Next::Held(Held::Lacks { server: server.clone(), shortfall });
    }
    if !seen.serves() {
        return Next::Held(Held::NotServed);
    }
    let standby = seen.servers.keys().rev().filter(is_stale).find(|server| !leads(server));
    match (standby, seen.leader()) {
        (Some(standby), _) => Next::Replace(standby),
        (None, Some(leader)) if seen.servers.len() == 1 => Next::Replace(leader),
        (None, Some(leader)) => match shutdown::hand_over(seen, leader, wanted) {
            HandOver::Nothing | HandOver::To(_) => Next::Replace(leader),
            HandOver::NotYet(why) => Next::Held(Held::NoSuccessor(why)),
        },
        (None, None) => Next::Held(Held::NotServed),
    }
}

/// Whether a server that lacks this keeps others from being replaced. The version is what a rollout
/// may be about.
fn bars(lack: &Shortfall) -> bool {
    !matches!(lack, Shortfall::WrongVersion { .. } | Shortfall::VersionUnknown)
}

fn does_not_run(lack: &Shortfall) -> bool {
    use Shortfall::{Ended, Held, NotStarted, Stopped};
    matches!(lack, NotStarted | Stopped | Held(_) | Ended { .. })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vaultyard_model::observed::{Probe, ProcessSeen};

    use super::*;
    use crate::shortfall::tests::{cluster, healthy, name, version};

    fn stale(ordinals: &[u8]) -> BTreeSet<ServerName> {
        ordinals.iter().copied().map(name).collect()
    }

    #[test]
    fn standbys_go_first_from_the_highest_on_and_the_leader_last() {
        let seen = healthy();
        assert_eq!(next(&seen, &stale(&[]), &version()), Next::Done);
        for (left, expected) in [(&[0, 1, 2][..], 2), (&[0, 1], 1), (&[0], 0)] {
            assert_eq!(next(&seen, &stale(left), &version()), Next::Replace(&name(expected)));
        }
    }

    #[test]
    fn nothing_is_touched_while_a_server_is_not_as_it_should_be() {
        let mut seen = healthy();
        seen.servers.get_mut(&name(2)).unwrap().health.as_mut().unwrap().state = State::Sealed;
        let held = |ordinals| match next(&seen, &stale(ordinals), &version()) {
            Next::Held(held) => held.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(held(&[0, 1]), "vault-2: it is sealed");
        assert_eq!(held(&[0, 1, 2]), "vault-2: it is sealed");
    }

    #[test]
    fn a_server_that_cannot_start_is_replaced_before_all_others_unless_the_majority_is_away() {
        let mut seen = healthy();
        let stuck = ProcessSeen::Waits("its image cannot be pulled".to_owned());
        seen.servers.get_mut(&name(1)).unwrap().process = stuck.clone();
        assert_eq!(next(&seen, &stale(&[0, 1, 2]), &version()), Next::Replace(&name(1)));
        let held = Next::Held(Held::Lacks {
            server: name(1),
            shortfall: Shortfall::Held("its image cannot be pulled".to_owned()),
        });
        assert_eq!(next(&seen, &stale(&[0, 2]), &version()), held, "it is as declared already");
        seen.servers.get_mut(&name(2)).unwrap().process = stuck;
        assert_eq!(next(&seen, &stale(&[0, 1, 2]), &version()), held);
    }

    #[test]
    fn nothing_is_touched_that_is_not_known_to_serve() {
        let mut seen = healthy();
        seen.probe = Probe::Answered("permission denied".to_owned());
        assert_eq!(next(&seen, &stale(&[2]), &version()), Next::Held(Held::NotServed));
    }

    #[test]
    fn a_single_server_has_nobody_to_hand_over_to_and_is_replaced() {
        let seen = cluster(1);
        assert_eq!(next(&seen, &stale(&[0]), &version()), Next::Replace(&name(0)));
    }

    /// What may be the matter with a server.
    fn trouble(seen: &mut Observed, ordinal: u8, kind: u8) {
        let server = seen.servers.get_mut(&name(ordinal)).unwrap();
        match kind {
            0 => server.process = ProcessSeen::NotStarted,
            1 => server.health = Err("did not answer".to_owned()),
            2 => server.health.as_mut().unwrap().state = State::Sealed,
            3 => server.raft.as_mut().unwrap().applied = 0,
            4 => server.free_bytes = Some(0),
            5 => seen.peers.as_mut().unwrap()[usize::from(ordinal)].voter = false,
            6 => server.health.as_mut().unwrap().state = State::Active,
            _ => {}
        }
    }

    fn observed() -> impl Strategy<Value = (Observed, BTreeSet<ServerName>)> {
        (prop_oneof![Just(1u8), Just(3), Just(5)]).prop_flat_map(|replicas| {
            let troubles = proptest::collection::vec(0u8..20, usize::from(replicas));
            let stale = proptest::collection::btree_set(0..replicas, 0..=usize::from(replicas));
            (troubles, stale).prop_map(move |(troubles, stale)| {
                let mut seen = cluster(replicas);
                for (ordinal, kind) in (0..).zip(troubles) {
                    trouble(&mut seen, ordinal, kind);
                }
                (seen, stale.into_iter().map(name).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn a_majority_stays_and_the_leader_goes_last((seen, stale) in observed()) {
            let Next::Replace(server) = next(&seen, &stale, &version()) else { return Ok(()) };
            prop_assert!(stale.contains(server));
            let others = seen.servers.keys().filter(|other| *other != server);
            let sound = others.filter(|other| {
                let lacks = shortfall::of(other, &seen, &version());
                seen.voter(other) == Some(true) && lacks.is_empty()
            });
            let sound = sound.count();
            if seen.servers.len() > 1 {
                prop_assert!(sound > seen.servers.len() / 2, "{sound} sound ones stay");
            }
            let leads = seen.servers[server].state() == Some(State::Active);
            if leads && seen.servers.len() > 1 {
                prop_assert_eq!(stale.len(), 1);
                let hand_over = shutdown::hand_over(&seen, server, &version());
                prop_assert!(matches!(hand_over, HandOver::To(_)), "{hand_over:?}");
            }
        }

        #[test]
        fn a_rollout_comes_to_its_end_wherever_leadership_goes(
            replicas in prop_oneof![Just(1u8), Just(3), Just(5)],
            moves in proptest::collection::vec(0u8..5, 5),
        ) {
            let mut seen = cluster(replicas);
            let mut stale: BTreeSet<_> = (0..replicas).map(name).collect();
            for (left, leader) in (1..=replicas).rev().zip(moves) {
                for (ordinal, server) in (0..).zip(seen.servers.values_mut()) {
                    let leads = ordinal == leader % replicas;
                    let state = if leads { State::Active } else { State::Standby };
                    server.health.as_mut().unwrap().state = state;
                    server.raft.as_mut().unwrap().is_self = leads;
                }
                let Next::Replace(server) = next(&seen, &stale, &version()) else {
                    return Err(TestCaseError::fail(format!("{left} are left")));
                };
                prop_assert!(stale.remove(server));
            }
            prop_assert_eq!(next(&seen, &stale, &version()), Next::Done);
        }
    }
}
