//! Plays hundreds of histories of a cluster that dies, lags, wedges and lies about time, and
//! checks what must hold of every remedy.

#![allow(clippy::unwrap_used, reason = "names and versions written here are right")]

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use vaultyard_model::observed::{
    Exit, Health, LeaderSeen, Observed, Probe, ProcessSeen, ServerSeen, State,
};
use vaultyard_model::port::host::Signal;
use vaultyard_model::{ClusterName, ServerName, Version};
use vaultyard_plan::history::History;
use vaultyard_plan::life::{LEADERLESS_AFTER, Remedy, SILENT_AFTER, WEDGED_AFTER, remedy};

const QUORUM: usize = 2;

/// What one server does in one round.
#[derive(Debug, Clone, Copy)]
enum Life {
    Answers(State),
    Silent,
    Dead,
}

fn life() -> impl Strategy<Value = Life> {
    // A state mostly lasts, so that waits come to their end now and then.
    prop_oneof![
        4 => Just(Life::Answers(State::Standby)),
        2 => Just(Life::Answers(State::Active)),
        1 => Just(Life::Answers(State::Sealed)),
        1 => Just(Life::Answers(State::Uninitialised)),
        2 => Just(Life::Silent),
        1 => Just(Life::Dead),
    ]
}

fn name(ordinal: u8) -> ServerName {
    ClusterName::new("vault").unwrap().server(ordinal)
}

fn server(life: Life, at: Timestamp) -> ServerSeen {
    let running = ProcessSeen::Running { pid: 1, since: at };
    let (process, health) = match life {
        Life::Answers(state) => {
            (running, Ok(Health { state, version: Version::new("2.7.2").ok() }))
        }
        Life::Silent => (running, Err("did not answer".to_owned())),
        Life::Dead => {
            let exit = Exit { code: None, signal: Some(9), reason: None, no_space: false };
            let ended = ProcessSeen::Ended { exit, at, again: at, times: 1 };
            (ended, Err("is not running".to_owned()))
        }
    };
    let raft =
        LeaderSeen { is_self: false, leader_address: String::new(), committed: 1, applied: 1 };
    ServerSeen { process, health, raft: Some(raft), last_end: None, free_bytes: None }
}

/// One stretch of time in which nothing changes.
#[derive(Debug, Clone)]
struct Stretch {
    lives: [Life; 3],
    seconds: i64,
    wedged: bool,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    // Clocks are set back, too.
    let seconds = prop_oneof![8 => 0_i64..25, 1 => -30_i64..0];
    ([life(), life(), life()], seconds, any::<bool>())
        .prop_map(|(lives, seconds, wedged)| Stretch { lives, seconds, wedged })
}

/// What a checker remembers on its own, apart from the planner's history.
#[derive(Default)]
struct Witness {
    leaderless: Option<Timestamp>,
    silent: [Option<Timestamp>; 3],
    wedged: Option<(ServerName, Timestamp, u32)>,
}

impl Witness {
    fn sees(&mut self, seen: &Observed, wedged: bool) {
        let at = seen.at;
        let since = |noted: Option<Timestamp>| Some(noted.map_or(at, |noted| noted.min(at)));
        let leaderless = seen.leader().is_none() && seen.unsealed() >= QUORUM;
        self.leaderless = if leaderless { since(self.leaderless) } else { None };
        for (noted, of_it) in self.silent.iter_mut().zip(seen.servers.values()) {
            let runs = matches!(of_it.process, ProcessSeen::Running { .. });
            *noted = if runs && of_it.health.is_err() { since(*noted) } else { None };
        }
        self.wedged = match (seen.leader(), wedged) {
            (Some(leader), true) => Some(match self.wedged.take() {
                Some((same, from, times)) if same == *leader => (same, from.min(at), times + 1),
                _ => (leader.clone(), at, 1),
            }),
            _ => None,
        };
    }

    fn probe(&self) -> Probe {
        match &self.wedged {
            Some((leader, since, times)) => {
                Probe::Silent { leader: leader.clone(), since: *since, times: *times }
            }
            None => Probe::NotTried,
        }
    }

    /// Panics when the remedy is not one that this witness would allow.
    fn judges(&self, seen: &Observed, remedy: &Remedy) {
        let lasted = |since: Timestamp| {
            Duration::try_from(seen.at.duration_since(since)).unwrap_or(Duration::ZERO)
        };
        let of_it = &seen.servers[&remedy.server];
        assert!(matches!(of_it.process, ProcessSeen::Running { .. }), "it is dead already");
        assert!(
            !matches!(of_it.state(), Some(State::Sealed | State::Uninitialised)),
            "a server is not ended for being sealed"
        );
        match remedy.signal {
            Signal::Terminate => {
                let since = self.leaderless.expect("somebody leads, or there is no majority");
                assert!(lasted(since) >= LEADERLESS_AFTER);
            }
            Signal::Kill if of_it.health.is_err() => {
                let ordinal = usize::from(remedy.server.ordinal());
                let since = self.silent[ordinal].expect("it has answered");
                assert!(lasted(since) >= SILENT_AFTER);
            }
            Signal::Kill => {
                let (leader, since, times) = self.wedged.as_ref().expect("a read was answered");
                assert_eq!(*leader, remedy.server);
                assert!(lasted(*since) >= WEDGED_AFTER && *times >= 3);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_is_ended_without_a_lasting_reason(stretches in prop::collection::vec(stretch(), 1..30)) {
        let mut at = Timestamp::from_second(1_800_000_000).unwrap();
        let mut history = History::default();
        let mut witness = Witness::default();
        for Stretch { lives, seconds, wedged } in stretches {
            let ticks = if seconds < 0 { 1 } else { seconds };
            for _ in 0..ticks {
                at += Duration::from_secs(1);
                if seconds < 0 {
                    at -= Duration::from_secs(seconds.unsigned_abs());
                }
                let mut seen = Observed {
                    at,
                    servers: (0..3).map(|n| (name(n), server(lives[usize::from(n)], at))).collect(),
                    peers: None,
                    probe: Probe::NotTried,
                    elections_won: [(name(1), at)].into(),
                };
                witness.sees(&seen, wedged);
                seen.probe = witness.probe();
                history = history.after(&seen, QUORUM);
                if let Some(remedy) = remedy(&seen, &history) {
                    witness.judges(&seen, &remedy);
                    history = history.after_ending(remedy.server, at);
                }
            }
        }
    }
}
