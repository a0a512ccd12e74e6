//! Plays hundreds of histories of a cluster that dies, lags, wedges and lies about time, and
//! checks what must hold of every remedy.

#![allow(clippy::unwrap_used, reason = "names and versions written here are right")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
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

fn server(life: Life, pid: u32, at: Timestamp) -> ServerSeen {
    let running = ProcessSeen::Running { pid, since: at };
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
    ServerSeen {
        process,
        health,
        raft: Some(raft),
        reached: true,
        last_end: None,
        free_bytes: None,
    }
}

/// One stretch of time in which nothing changes.
#[derive(Debug, Clone)]
struct Stretch {
    lives: [Life; 3],
    /// The process ids: another one is a process that was started since.
    pids: [u32; 3],
    seconds: u64,
    /// By how many seconds the clock is set when it begins.
    clock_jumps: i64,
    wedged: bool,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let pid = || prop_oneof![4 => Just(1_u32), 1 => Just(2_u32)];
    let clock_jumps = prop_oneof![4 => Just(0_i64), 1 => -100_i64..100];
    ([life(), life(), life()], [pid(), pid(), pid()], 0_u64..25, clock_jumps, any::<bool>())
        .prop_map(|(lives, pids, seconds, clock_jumps, wedged)| Stretch {
            lives,
            pids,
            seconds,
            clock_jumps,
            wedged,
        })
}

/// What a checker remembers on its own, apart from the planner's history.
#[derive(Default)]
struct Witness {
    leaderless: Option<Duration>,
    silent: [Option<(u32, Duration)>; 3],
    wedged: Option<(ServerName, Duration, u32)>,
}

impl Witness {
    fn sees(&mut self, seen: &Observed, wedged: bool) {
        let now = seen.uptime;
        let leaderless = seen.leader().is_none() && seen.unsealed() >= QUORUM;
        self.leaderless = leaderless.then(|| self.leaderless.unwrap_or(now));
        for (noted, of_it) in self.silent.iter_mut().zip(seen.servers.values()) {
            *noted = match (of_it.pid(), *noted) {
                (Some(pid), Some((same, since))) if of_it.health.is_err() && pid == same => {
                    Some((pid, since))
                }
                (Some(pid), _) if of_it.health.is_err() => Some((pid, now)),
                _ => None,
            };
        }
        self.wedged = match (seen.leader(), wedged) {
            (Some(leader), true) => Some(match self.wedged.take() {
                Some((same, from, times)) if same == *leader => (same, from, times + 1),
                _ => (leader.clone(), now, 1),
            }),
            _ => None,
        };
    }

    fn probe(&self, now: Duration) -> Probe {
        match &self.wedged {
            Some((leader, since, times)) => {
                Probe::Silent { leader: leader.clone(), lasted: now - *since, times: *times }
            }
            None => Probe::NotTried,
        }
    }

    /// Panics when the remedy is not one that this witness would allow.
    fn judges(&self, seen: &Observed, remedy: &Remedy) {
        let lasted = |since: Duration| seen.uptime - since;
        let of_it = &seen.servers[&remedy.server];
        assert_eq!(of_it.pid(), Some(remedy.pid), "it is dead already");
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
                let (pid, since) = self.silent[ordinal].expect("it has answered");
                assert_eq!(pid, remedy.pid);
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
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn nobody_is_ended_without_a_lasting_reason(stretches in prop::collection::vec(stretch(), 1..30)) {
        let mut at = Timestamp::from_second(1_800_000_000).unwrap();
        let mut history = History::default();
        let mut witness = Witness::default();
        let mut uptime = Duration::ZERO;
        for Stretch { lives, pids, seconds, clock_jumps, wedged } in stretches {
            at += SignedDuration::from_secs(clock_jumps);
            for _ in 0..seconds {
                at += Duration::from_secs(1);
                uptime += Duration::from_secs(1);
                let of = |n: u8| server(lives[usize::from(n)], pids[usize::from(n)], at);
                let mut seen = Observed {
                    at,
                    uptime,
                    servers: (0..3).map(|n| (name(n), of(n))).collect(),
                    peers: None,
                    probe: Probe::NotTried,
                    elections_won: [(name(1), at)].into(),
                };
                witness.sees(&seen, wedged);
                seen.probe = witness.probe(uptime);
                history = history.after(&seen, QUORUM);
                if let Some(remedy) = remedy(&seen, &history, 1) {
                    witness.judges(&seen, &remedy);
                    history = history.after_ending(remedy.server, uptime);
                }
            }
        }
    }
}
