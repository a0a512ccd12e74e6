//! The next step of a rollout: which server is replaced by one that is as the document says, or what
//! must hold before any is touched.
//!
//! One server at a time, the leader last. Whoever asks has nothing to remember: what was done is seen
//! in the servers themselves, so a rollout goes on where it was after any interruption, and a leader
//! that moves by itself in the middle changes only who is the last.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use vaultyard_model::observed::{Observed, ServerSeen, State};
use vaultyard_model::port::rollout::Stale;
use vaultyard_model::{ServerName, Version};

use crate::shortfall::{self, Shortfall};
use crate::shutdown::{self, HandOver};

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// Nothing: every server is as the document says.
    Done,
    /// Take a snapshot: a version that went forward goes back only through its data.
    Snapshot,
    /// End this server, so that one takes its place that is as the document says.
    Replace {
        /// Which.
        server: &'a ServerName,
        /// Whether it leads: requests are held until another one does.
        leads: bool,
    },
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

/// What a rollout is about.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The version that the document says.
    pub version: &'a Version,
    /// The servers that are not as it says, and in what.
    pub stale: &'a BTreeMap<ServerName, Stale>,
    /// Whether there is a snapshot from before this change of version, and none is asked for otherwise.
    pub snapshot: bool,
}

/// What is to be done now.
pub fn next<'a>(seen: &'a Observed, wanted: Wanted<'_>) -> Next<'a> {
    let Wanted { version, stale, snapshot } = wanted;
    let stale_in = |server: &ServerName| stale.get(server).copied();
    let leads = |server: &ServerName| {
        seen.servers.get(server).and_then(ServerSeen::state) == Some(State::Active)
    };
    if !seen.servers.keys().any(|server| stale.contains_key(server)) {
        return Next::Done;
    }
    let lame = seen.servers.keys().filter_map(|server| {
        let lacks = shortfall::of(server, seen, version);
        Some((server, lacks.into_iter().find(bars)?))
    });
    let lame: Vec<_> = lame.collect();
    let dead = lame.iter().filter(|(_, lack)| does_not_run(lack)).map(|(server, _)| *server);
    // Its end costs nothing, and what is declared anew may be what makes it run.
    let mut dead = dead.filter(|server| stale.contains_key(*server));
    if let Some(server) = dead.clone().find(|server| stale_in(server) == Some(Stale::Configuration))
    {
        return Next::Replace { server, leads: false };
    }
    if seen.servers.keys().filter(|server| leads(server)).count() > 1 {
        return Next::Held(Held::TwoLeaders);
    }
    let sound = seen.servers.len() - lame.len();
    let serves = seen.serves() && sound > seen.servers.len() / 2;
    if serves && !snapshot && stale.values().any(|stale| *stale == Stale::Version) {
        return Next::Snapshot;
    }
    // Of another version it may join only those that serve: alone it might lead, and then the others
    // could not any more.
    if let Some(server) = dead.next().filter(|_| serves) {
        return Next::Replace { server, leads: false };
    }
    if let Some((server, shortfall)) = lame.into_iter().next() {
        return Next::Held(Held::Lacks { server: server.clone(), shortfall });
    }
    if !seen.serves() {
        return Next::Held(Held::NotServed);
    }
    let standby =
        seen.servers.keys().rev().find(|server| stale.contains_key(*server) && !leads(server));
    match (standby, seen.leader()) {
        (Some(server), _) => Next::Replace { server, leads: false },
        (None, Some(server)) if seen.servers.len() == 1 => Next::Replace { server, leads: true },
        (None, Some(server)) => match shutdown::hand_over(seen, server, version) {
            HandOver::Nothing => Next::Replace { server, leads: false },
            HandOver::To(_) => Next::Replace { server, leads: true },
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

    type Of = BTreeMap<ServerName, Stale>;

    fn stale(ordinals: &[u8]) -> Of {
        ordinals.iter().map(|ordinal| (name(*ordinal), Stale::Version)).collect()
    }

    fn ask<'a>(seen: &'a Observed, stale: &Of, version: &Version) -> Next<'a> {
        next(seen, Wanted { version, stale, snapshot: true })
    }

    /// The name of what is replaced next, with a star when it leads; else why nothing is.
    fn step(seen: &Observed, stale: &Of) -> String {
        match ask(seen, stale, &version()) {
            Next::Done => "done".to_owned(),
            Next::Snapshot => "snapshot".to_owned(),
            Next::Replace { server, leads } => format!("{server}{}", if leads { "*" } else { "" }),
            Next::Held(held) => held.to_string(),
        }
    }

    #[test]
    fn standbys_go_first_from_the_highest_on_and_the_leader_last() {
        let seen = healthy();
        let left: [&[u8]; 4] = [&[0, 1, 2], &[0, 1], &[0], &[]];
        let steps = left.map(|left| step(&seen, &stale(left)));
        assert_eq!(steps, ["vault-2", "vault-1", "vault-0*", "done"]);
    }

    #[test]
    fn another_version_is_preceded_by_a_snapshot_as_soon_as_one_can_be_taken() {
        let without = |seen: &Observed, stale: &Of| {
            next(seen, Wanted { version: &version(), stale, snapshot: false }) == Next::Snapshot
        };
        let mut seen = healthy();
        assert!(without(&seen, &stale(&[2])));
        let configuration = [(name(2), Stale::Configuration)].into();
        assert!(!without(&seen, &configuration));
        seen.probe = Probe::NotTried;
        assert!(!without(&seen, &stale(&[2])), "nobody serves: there is nobody to take it from");
        assert_eq!(step(&seen, &stale(&[2])), "nothing can be read through the leader");
    }

    #[test]
    fn nothing_is_touched_while_a_server_is_not_as_it_should_be() {
        let mut seen = healthy();
        seen.servers.get_mut(&name(2)).unwrap().health.as_mut().unwrap().state = State::Sealed;
        assert_eq!(step(&seen, &stale(&[0, 1])), "vault-2: it is sealed");
        assert_eq!(step(&seen, &stale(&[0, 1, 2])), "vault-2: it is sealed");
    }

    fn stuck(seen: &mut Observed, ordinal: u8) {
        seen.servers.get_mut(&name(ordinal)).unwrap().process =
            ProcessSeen::Waits("its image cannot be pulled".to_owned());
    }

    #[test]
    fn a_server_that_cannot_start_is_replaced_before_all_others_unless_the_majority_is_away() {
        let mut seen = healthy();
        stuck(&mut seen, 1);
        assert_eq!(step(&seen, &stale(&[0, 1, 2])), "vault-1");
        let held = "vault-1: its image cannot be pulled";
        assert_eq!(step(&seen, &stale(&[0, 2])), held, "it is as declared already");
        stuck(&mut seen, 2);
        assert_eq!(step(&seen, &stale(&[0, 1, 2])), held);
    }

    #[test]
    fn servers_that_cannot_start_as_they_were_configured_get_what_is_declared_even_when_all_are_away()
     {
        let mut seen = healthy();
        (0..3).for_each(|ordinal| stuck(&mut seen, ordinal));
        let mut stale: Of = (0..3).map(|ordinal| (name(ordinal), Stale::Configuration)).collect();
        for ordinal in 0..3 {
            assert_eq!(step(&seen, &stale), format!("vault-{ordinal}"));
            stale.remove(&name(ordinal));
        }
    }

    #[test]
    fn nothing_is_touched_that_is_not_known_to_serve() {
        let mut seen = healthy();
        seen.probe = Probe::Answered("permission denied".to_owned());
        assert_eq!(step(&seen, &stale(&[2])), "nothing can be read through the leader");
    }

    #[test]
    fn a_single_server_has_nobody_to_hand_over_to_and_is_replaced() {
        assert_eq!(step(&cluster(1), &stale(&[0])), "vault-0*");
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

    fn observed() -> impl Strategy<Value = (Observed, Of)> {
        (prop_oneof![Just(1u8), Just(3), Just(5)]).prop_flat_map(|replicas| {
            let troubles = proptest::collection::vec(0u8..20, usize::from(replicas));
            let kind = prop_oneof![Just(Stale::Version), Just(Stale::Configuration)];
            let stale =
                proptest::collection::btree_map(0..replicas, kind, 0..=usize::from(replicas));
            (troubles, stale).prop_map(move |(troubles, stale)| {
                let mut seen = cluster(replicas);
                for (ordinal, kind) in (0..).zip(troubles) {
                    trouble(&mut seen, ordinal, kind);
                }
                (seen, stale.into_iter().map(|(ordinal, it)| (name(ordinal), it)).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn a_majority_stays_and_the_leader_goes_last((seen, stale) in observed()) {
            let version = version();
            let Next::Replace { server, leads } = ask(&seen, &stale, &version) else { return Ok(()) };
            prop_assert!(stale.contains_key(server));
            if seen.servers[server].pid().is_none() && stale[server] == Stale::Configuration {
                // Nothing is taken away.
                return Ok(());
            }
            let others = seen.servers.keys().filter(|other| *other != server);
            let sound = others.filter(|other| {
                let lacks = shortfall::of(other, &seen, &version);
                seen.voter(other) == Some(true) && lacks.is_empty()
            });
            let sound = sound.count();
            if seen.servers.len() > 1 {
                prop_assert!(sound > seen.servers.len() / 2, "{sound} sound ones stay");
            }
            let of_it = &seen.servers[server];
            prop_assert_eq!(leads, of_it.pid().is_some() && of_it.state() == Some(State::Active));
            if leads && seen.servers.len() > 1 {
                prop_assert_eq!(stale.len(), 1);
                let hand_over = shutdown::hand_over(&seen, server, &version);
                prop_assert!(matches!(hand_over, HandOver::To(_)), "{hand_over:?}");
            }
        }

        #[test]
        fn no_version_is_changed_without_a_snapshot((seen, stale) in observed()) {
            let version = version();
            let without = Wanted { version: &version, stale: &stale, snapshot: false };
            if let Next::Replace { server, .. } = next(&seen, without) {
                prop_assert_eq!(stale[server], Stale::Configuration);
            }
        }

        #[test]
        fn a_rollout_comes_to_its_end_wherever_leadership_goes(
            replicas in prop_oneof![Just(1u8), Just(3), Just(5)],
            moves in proptest::collection::vec(0u8..5, 5),
        ) {
            let (mut seen, version) = (cluster(replicas), version());
            let mut stale: Of = (0..replicas).map(|it| (name(it), Stale::Version)).collect();
            for (left, leader) in (1..=replicas).rev().zip(moves) {
                for (ordinal, server) in (0..).zip(seen.servers.values_mut()) {
                    let leads = ordinal == leader % replicas;
                    let state = if leads { State::Active } else { State::Standby };
                    server.health.as_mut().unwrap().state = state;
                    server.raft.as_mut().unwrap().is_self = leads;
                }
                let Next::Replace { server, .. } = ask(&seen, &stale, &version) else {
                    return Err(TestCaseError::fail(format!("{left} are left")));
                };
                prop_assert!(stale.remove(server).is_some());
            }
            prop_assert_eq!(ask(&seen, &stale, &version), Next::Done);
        }
    }
}
