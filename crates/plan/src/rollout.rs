//! The next step of a rollout: which server is replaced by one that is as the document says, comes or goes,
//! or what must hold before any is touched.
//!
//! One server at a time, the leader last. Whoever asks has nothing to remember: what was done is seen
//! in the servers themselves, so a rollout goes on where it was after any interruption, and a leader
//! that moves by itself in the middle changes only who is the last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use vaultyard_model::observed::{Observed, ServerSeen, State};
use vaultyard_model::port::rollout::Stale;
use vaultyard_model::{ServerName, Version};

use crate::scale;
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
    /// Have this server stand too.
    Add {
        /// Which.
        server: ServerName,
    },
    /// Take this server, which does not lead, out of raft, and end it for good.
    Remove {
        /// Which.
        server: &'a ServerName,
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
    /// With one less there might be no majority, or there is none to take it out of raft.
    NoMajority,
    /// No server may be ended now, for this reason.
    Hindered(String),
}

impl Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks { server, shortfall } => write!(f, "{server}: {shortfall}"),
            Self::NotServed => f.write_str("nothing can be read through the leader"),
            Self::TwoLeaders => f.write_str("two servers answer as the leader"),
            Self::NoSuccessor(why) => write!(f, "the leader cannot go: {why}"),
            Self::NoMajority => {
                f.write_str("too few servers are as they should be for one to be taken out of raft")
            }
            Self::Hindered(why) => f.write_str(why),
        }
    }
}

/// What a rollout is about.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The version that the document says.
    pub version: &'a Version,
    /// The servers that it asks for.
    pub servers: &'a BTreeSet<ServerName>,
    /// Those that stand and are not as it says, and in what.
    pub stale: &'a BTreeMap<ServerName, Stale>,
    /// Whether there is a snapshot from before this change of version, and none is asked for otherwise.
    pub snapshot: bool,
    /// Why no server may be ended now, whatever else is true.
    pub hindrance: Option<&'a str>,
}

/// What is to be done now.
pub fn next<'a>(seen: &'a Observed, wanted: Wanted<'_>) -> Next<'a> {
    let changes_version = wanted.stale.values().any(|stale| *stale == Stale::Version);
    let next = scale::fewer(seen, wanted)
        .unwrap_or_else(|| scale::more(seen, wanted, decide(seen, wanted)));
    match (next, wanted.hindrance) {
        (Next::Replace { .. } | Next::Add { .. } | Next::Remove { .. }, Some(why)) => {
            Next::Held(Held::Hindered(why.to_owned()))
        }
        // Only now, so that it is from just before the change.
        (Next::Replace { .. }, None) if changes_version && !wanted.snapshot && seen.serves() => {
            Next::Snapshot
        }
        (next, _) => next,
    }
}

fn decide<'a>(seen: &'a Observed, wanted: Wanted<'_>) -> Next<'a> {
    let Wanted { version, stale, .. } = wanted;
    if !seen.servers.keys().any(|server| stale.contains_key(server)) {
        return Next::Done;
    }
    let lame = lame(seen, wanted);
    let majority = seen.servers.len() - lame.len() > seen.servers.len() / 2;
    // Its end costs nothing, and what is declared anew may be what makes it run. Where one that got that
    // already does not run either, no second one gets it, unless there is nothing left to lose.
    let spoilt = majority && lame.iter().any(|(server, _)| !stale.contains_key(*server));
    let dead = lame.iter().filter(|(server, lack)| stale.contains_key(*server) && cannot_run(lack));
    let mut dead = dead.map(|(server, _)| *server).filter(|_| !spoilt);
    let same_version = |server: &&ServerName| stale.get(*server) == Some(&Stale::Configuration);
    if let Some(server) = dead.clone().find(same_version) {
        return Next::Replace { server, leads: false };
    }
    let leads = |server: &ServerName| {
        seen.servers.get(server).and_then(ServerSeen::state) == Some(State::Active)
    };
    if seen.servers.keys().filter(|server| leads(server)).count() > 1 {
        return Next::Held(Held::TwoLeaders);
    }
    // Of another version it may join only those that serve: alone it might lead, and then the others
    // could not any more.
    if let Some(server) = dead.next().filter(|_| majority && seen.serves()) {
        return Next::Replace { server, leads: false };
    }
    if let Err(held) = sound(seen, lame) {
        return Next::Held(held);
    }
    let standby =
        seen.servers.keys().rev().find(|server| stale.contains_key(*server) && !leads(server));
    match (standby, seen.leader()) {
        (Some(server), _) => Next::Replace { server, leads: false },
        (None, Some(server)) if seen.servers.len() == 1 => Next::Replace { server, leads: true },
        (None, Some(server)) => match shutdown::hand_over(seen, server, version) {
            HandOver::NotYet(why) => Next::Held(Held::NoSuccessor(why)),
            HandOver::Nothing | HandOver::To(_) => Next::Replace { server, leads: true },
        },
        (None, None) => Next::Held(Held::NotServed),
    }
}

/// The servers that are not what they should be, but for what a rollout is about.
pub(crate) fn lame<'a>(seen: &'a Observed, wanted: Wanted<'_>) -> Vec<(&'a ServerName, Shortfall)> {
    let lacks = |server| {
        let lacks = shortfall::of(server, seen, wanted.version);
        let is_stale = wanted.stale.contains_key(server);
        Some((server, lacks.into_iter().find(|lack| bars(lack, is_stale))?))
    };
    seen.servers.keys().filter_map(lacks).collect()
}

/// Whether every server is what it should be of `version`, and serves: the end of a rollout.
///
/// # Errors
/// [`Held`] with what is missing.
pub fn settled(seen: &Observed, version: &Version) -> Result<(), Held> {
    let lame = seen.servers.keys().filter_map(|server| {
        Some((server, shortfall::of(server, seen, version).into_iter().next()?))
    });
    sound(seen, lame.collect())
}

/// Nothing is held by what servers lack when none of them does and reads through the leader work.
pub(crate) fn sound(seen: &Observed, lame: Vec<(&ServerName, Shortfall)>) -> Result<(), Held> {
    match lame.into_iter().next() {
        Some((server, shortfall)) => Err(Held::Lacks { server: server.clone(), shortfall }),
        None if !seen.serves() => Err(Held::NotServed),
        None => Ok(()),
    }
}

/// Whether a server that lacks this keeps others from being replaced. The version is what a rollout
/// may be about, but not of a server that was replaced.
fn bars(lack: &Shortfall, is_stale: bool) -> bool {
    !is_stale || !matches!(lack, Shortfall::WrongVersion { .. } | Shortfall::VersionUnknown)
}

/// Whether it has been tried, and does not run. One that ends once comes back as it was.
fn cannot_run(lack: &Shortfall) -> bool {
    match lack {
        Shortfall::Held(_) => true,
        Shortfall::Ended { times, .. } => *times > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vaultyard_model::observed::{Exit, Probe, ProcessSeen};

    use super::*;
    use crate::shortfall::tests::{cluster, healthy, name, version};

    type Of = BTreeMap<ServerName, Stale>;

    fn stale(ordinals: &[u8]) -> Of {
        ordinals.iter().map(|ordinal| (name(*ordinal), Stale::Version)).collect()
    }

    fn ask<'a>(seen: &'a Observed, stale: &Of, version: &Version) -> Next<'a> {
        asked(seen, stale, version, true, None)
    }

    fn asked<'a>(
        seen: &'a Observed,
        stale: &Of,
        version: &Version,
        snapshot: bool,
        hindrance: Option<&str>,
    ) -> Next<'a> {
        let servers = seen.servers.keys().cloned().collect();
        next(seen, Wanted { version, servers: &servers, stale, snapshot, hindrance })
    }

    /// The name of what is replaced next, with a star when it leads; else why nothing is.
    fn step(seen: &Observed, stale: &Of) -> String {
        match ask(seen, stale, &version()) {
            Next::Done => "done".to_owned(),
            Next::Snapshot => "snapshot".to_owned(),
            Next::Replace { server, leads } => format!("{server}{}", if leads { "*" } else { "" }),
            Next::Held(held) => held.to_string(),
            Next::Add { .. } | Next::Remove { .. } => panic!("all that stand are wanted"),
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
            asked(seen, stale, &version(), false, None) == Next::Snapshot
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
    fn nothing_is_touched_while_the_keys_are_not_kept() {
        let (seen, stale, version) = (healthy(), stale(&[2]), version());
        let hindrance = Some("the keys are gone: restart nothing");
        for snapshot in [true, false] {
            let next = asked(&seen, &stale, &version, snapshot, hindrance);
            let Next::Held(held) = next else { panic!("{snapshot}") };
            assert_eq!(Some(held.to_string().as_str()), hindrance);
        }
    }

    #[test]
    fn a_server_that_was_replaced_and_is_of_the_wrong_version_all_the_same_holds_the_rest() {
        let mut seen = healthy();
        let other = Version::new("2.7.1").unwrap();
        seen.servers.get_mut(&name(2)).unwrap().health.as_mut().unwrap().version = Some(other);
        assert_eq!(step(&seen, &stale(&[1, 2])), "vault-2");
        let held = "vault-2: it runs version 2.7.1, and the document says 2.7.2";
        assert_eq!(step(&seen, &stale(&[0, 1])), held);
        assert_eq!(settled(&seen, &version()).unwrap_err().to_string(), held);
        assert_eq!(settled(&healthy(), &version()), Ok(()));
    }

    #[test]
    fn what_one_server_does_not_run_with_is_given_to_no_second_one() {
        let mut seen = cluster(5);
        stuck(&mut seen, 4);
        stuck(&mut seen, 3);
        let stale: Of = (0..4).map(|ordinal| (name(ordinal), Stale::Configuration)).collect();
        assert_eq!(step(&seen, &stale), "vault-3: its image cannot be pulled");
        // One that has ended once is started again as it was.
        let mut seen = healthy();
        let exit = Exit { code: None, signal: Some(9), reason: None, no_space: false };
        let at = seen.at;
        seen.servers.get_mut(&name(1)).unwrap().process =
            ProcessSeen::Ended { exit, at, again: at, times: 1 };
        let held = step(&seen, &[(name(1), Stale::Configuration)].into());
        assert!(held.starts_with("vault-1: its process ended"), "{held}");
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
            7 => server.reached = false,
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
            let without = asked(&seen, &stale, &version, false, None);
            if let Next::Replace { server, .. } = without {
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
