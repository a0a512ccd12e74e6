//! Which server is ended because it only looks alive.
//!
//! Health is not life: a dead-locked active server answers `sys/health` with 200 for minutes, and
//! after a failed hand-over a majority of standbys can wait for ever for a leader that does not
//! know that it is one. Both are mended by ending the right process. An answer, also an error, is
//! life: a server whose audit disk is full must be reported, not killed.

use std::fmt;
use std::time::Duration;

use vaultyard_model::ServerName;
use vaultyard_model::duration::Short;
use vaultyard_model::observed::{Observed, Probe, State};
use vaultyard_model::port::host::Signal;

use crate::history::History;
use crate::shortfall::disk_full;

/// A leader is wedged when its probe had no answer for this long. Above the 6.5 s for which a
/// restore in place makes a healthy leader hang.
pub const WEDGED_AFTER: Duration = Duration::from_secs(8);
/// A running server that does not even answer `sys/health` is wedged after this long. Above the
/// 9 s that initialising can take.
pub const SILENT_AFTER: Duration = Duration::from_secs(15);
/// With `performance_multiplier` 1 an election is over after 5 s, also right after a restart; with
/// another one it takes that many times longer.
pub const LEADERLESS_AFTER: Duration = Duration::from_secs(12);
/// Ending servers does not mend everything. The wait before each doubles, up to this.
const LEADERLESS_AT_MOST: Duration = Duration::from_secs(300);

/// A process to end; it is started again by its supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// Whose process.
    pub server: ServerName,
    /// Which process: one that has taken its place meanwhile is none of this.
    pub pid: u32,
    /// SIGKILL for one that hangs (SIGTERM hangs too), SIGTERM for one that only does not lead.
    pub signal: Signal,
    /// Why.
    pub why: Ailment,
}

/// What ails a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ailment {
    /// The active server does not answer an authenticated read.
    Wedged(Duration),
    /// A running server does not answer at all.
    Silent(Duration),
    /// A majority is unsealed, and nobody leads.
    Leaderless(Duration),
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wedged(time) => {
                write!(f, "it leads, but has not answered a read for {}", Short(*time))
            }
            Self::Silent(time) => write!(f, "it runs, but has not answered for {}", Short(*time)),
            Self::Leaderless(time) => {
                write!(f, "a majority is unsealed, but nobody has led for {}", Short(*time))
            }
        }
    }
}

/// The one process to end now, if there is one, in a cluster of this `performance_multiplier`.
pub fn remedy(seen: &Observed, history: &History, multiplier: u8) -> Option<Remedy> {
    wedged(seen).or_else(|| silent(seen, history)).or_else(|| leaderless(seen, history, multiplier))
}

fn wedged(seen: &Observed) -> Option<Remedy> {
    let Probe::Silent { leader, lasted, times } = &seen.probe else { return None };
    let pid = seen.servers.get(leader)?.pid()?;
    // The probe may still speak of a leader that was ended a moment ago.
    let leads_still = seen.leader() == Some(leader);
    (leads_still && *lasted >= WEDGED_AFTER && *times >= 3).then(|| Remedy {
        server: leader.clone(),
        pid,
        signal: Signal::Kill,
        why: Ailment::Wedged(*lasted),
    })
}

fn silent(seen: &Observed, history: &History) -> Option<Remedy> {
    history.silent.iter().find_map(|(server, silence)| {
        let lasted = seen.uptime.saturating_sub(silence.since);
        (lasted >= SILENT_AFTER).then(|| Remedy {
            server: server.clone(),
            pid: silence.pid,
            signal: Signal::Kill,
            why: Ailment::Silent(lasted),
        })
    })
}

/// The server whose log last won the election is the one that should lead and does not know it;
/// after it the others, in turn, each after twice the time of the one before. A server without room
/// on its disk is left alone: it would come back just so.
fn leaderless(seen: &Observed, history: &History, multiplier: u8) -> Option<Remedy> {
    let at_first = LEADERLESS_AFTER.saturating_mul(multiplier.into());
    let lasted = seen.uptime.saturating_sub(history.leaderless_since?);
    let doublings = u32::try_from(history.ended.len()).unwrap_or(u32::MAX).min(8);
    if lasted < at_first.saturating_mul(1 << doublings).min(LEADERLESS_AT_MOST) {
        return None;
    }
    let ended_at = |server: &ServerName| {
        history.ended.iter().rev().find(|(ended, _)| ended == server).map(|(_, when)| *when)
    };
    let standby = |server: &&ServerName| {
        let of_it = seen.servers.get(*server);
        of_it.is_some_and(|it| it.state() == Some(State::Standby) && disk_full(it).is_none())
    };
    let order = |server: &&ServerName| {
        let won = seen.elections_won.get(*server).copied();
        (ended_at(server), std::cmp::Reverse(won))
    };
    let server = seen.servers.keys().filter(standby).min_by_key(order)?.clone();
    let pid = seen.servers.get(&server)?.pid()?;
    Some(Remedy { server, pid, signal: Signal::Terminate, why: Ailment::Leaderless(lasted) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shortfall::tests::{healthy, name};
    use vaultyard_model::observed::ProcessSeen;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn all_standby() -> Observed {
        let mut seen = healthy();
        for of_it in seen.servers.values_mut() {
            of_it.health.as_mut().unwrap().state = State::Standby;
        }
        seen.probe = Probe::NotTried;
        seen
    }

    #[test]
    fn a_healthy_cluster_needs_no_remedy() {
        assert_eq!(remedy(&healthy(), &History::default(), 1), None);
    }

    #[test]
    fn a_leader_that_answers_health_but_no_read_is_killed() {
        let mut seen = healthy();
        seen.probe = Probe::Silent { leader: name(0), lasted: seconds(8), times: 4 };
        let remedy = remedy(&seen, &History::default(), 1).unwrap();
        assert_eq!((remedy.server, remedy.signal), (name(0), Signal::Kill));
    }

    #[test]
    fn a_new_leader_does_not_pay_for_the_silence_of_the_old_one() {
        let mut seen = healthy();
        seen.probe = Probe::Silent { leader: name(2), lasted: seconds(30), times: 9 };
        assert_eq!(remedy(&seen, &History::default(), 1), None);
    }

    #[test]
    fn two_missed_probes_are_not_enough_however_long_they_took() {
        let mut seen = healthy();
        seen.probe = Probe::Silent { leader: name(0), lasted: seconds(100), times: 2 };
        assert_eq!(remedy(&seen, &History::default(), 1), None);
    }

    #[test]
    fn an_answer_that_is_an_error_is_life() {
        let mut seen = healthy();
        seen.probe = Probe::Answered("500 internal error".to_owned());
        seen.uptime = seconds(1_000);
        assert_eq!(remedy(&seen, &History::default(), 1), None);
    }

    #[test]
    fn a_stopped_process_is_killed_after_its_time() {
        let mut seen = healthy();
        seen.servers.get_mut(&name(1)).unwrap().health = Err("no answer".to_owned());
        let mut history = History::default();
        for second in 0..=15 {
            seen.uptime = seconds(second);
            history = history.after(&seen, 2);
            let expected = (second == 15).then(|| (name(1), 101));
            let found = remedy(&seen, &history, 1).map(|remedy| (remedy.server, remedy.pid));
            assert_eq!(found, expected, "{second}");
        }
    }

    #[test]
    fn a_new_process_does_not_pay_for_the_silence_of_the_old_one() {
        let mut seen = healthy();
        let server = seen.servers.get_mut(&name(1)).unwrap();
        server.health = Err("no answer".to_owned());
        let history = History::default().after(&seen, 2);
        seen.uptime = seconds(20);
        let server = seen.servers.get_mut(&name(1)).unwrap();
        server.process = ProcessSeen::Running { pid: 201, since: seen.at };
        assert_eq!(remedy(&seen, &history.after(&seen, 2), 1), None);
    }

    #[test]
    fn without_a_leader_the_last_winner_goes_first_and_then_the_others_in_turn() {
        let mut seen = all_standby();
        seen.elections_won =
            [(name(1), seen.at - seconds(5)), (name(2), seen.at - seconds(60))].into();
        let mut history = History::default();
        let mut ended = Vec::new();
        for second in 0..100 {
            seen.uptime = seconds(second);
            history = history.after(&seen, 2);
            if let Some(remedy) = remedy(&seen, &history, 1) {
                assert_eq!(remedy.signal, Signal::Terminate);
                ended.push((remedy.server.as_str().to_owned(), second));
                history = history.after_ending(remedy.server, seen.uptime);
            }
        }
        let expected = [("vault-1", 12), ("vault-2", 37), ("vault-0", 86)];
        assert_eq!(ended, expected.map(|(server, second)| (server.to_owned(), second)));
    }

    #[test]
    fn where_elections_take_longer_they_are_waited_for() {
        let seen = |uptime: u64| Observed { uptime: seconds(uptime), ..all_standby() };
        let history = History { leaderless_since: Some(seconds(0)), ..History::default() };
        assert_eq!(remedy(&seen(59), &history, 5), None);
        assert!(remedy(&seen(60), &history, 5).is_some());
    }

    #[test]
    fn a_server_whose_disk_is_full_is_not_ended_for_not_leading() {
        let mut seen = all_standby();
        for of_it in seen.servers.values_mut() {
            of_it.free_bytes = Some(0);
        }
        seen.uptime = seconds(1_000);
        let history = History { leaderless_since: Some(seconds(0)), ..History::default() };
        assert_eq!(remedy(&seen, &history, 1), None);
    }

    #[test]
    fn without_a_majority_nobody_is_ended_for_not_leading() {
        let mut seen = all_standby();
        for ordinal in [0, 1] {
            let of_it = seen.servers.get_mut(&name(ordinal)).unwrap();
            of_it.health.as_mut().unwrap().state = State::Sealed;
        }
        let history = History { leaderless_since: Some(seconds(0)), ..History::default() };
        seen.uptime = seconds(100);
        assert_eq!(remedy(&seen, &history.after(&seen, 2), 1), None);
    }

    #[test]
    fn a_clock_that_is_set_brings_no_remedy() {
        for jump in [-1_000, 1_000] {
            let mut seen = all_standby();
            seen.servers.get_mut(&name(1)).unwrap().health = Err("no answer".to_owned());
            let history = History::default().after(&seen, 2);
            seen.at += jiff::SignedDuration::from_secs(jump);
            seen.uptime += seconds(1);
            assert_eq!(remedy(&seen, &history.after(&seen, 2), 1), None);
        }
    }
}
