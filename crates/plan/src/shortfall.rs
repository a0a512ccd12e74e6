//! What each server still lacks, as typed reasons: what `why` and `status` print.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vaultyard_model::duration::Short;
use vaultyard_model::observed::{Exit, Observed, Probe, ProcessSeen, ServerSeen, State};
use vaultyard_model::{ServerName, Version};

/// One reason why a server is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// Its process has not been started.
    NotStarted,
    /// Its process was stopped on request.
    Stopped,
    /// Its process has not been started, and this is what it waits for.
    Held(String),
    /// Its process ended; it is started again after a wait.
    Ended {
        /// How.
        exit: Exit,
        /// How often in a row.
        times: u32,
        /// How long until it is started again.
        again: Duration,
    },
    /// It does not answer though it runs, as far as can be seen; and how.
    Silent(String),
    /// It holds no cluster's data yet.
    Uninitialised,
    /// It is sealed.
    Sealed,
    /// It knows no leader.
    KnowsNoLeader,
    /// Its log is behind: a restart of the leader now could lose the majority.
    Behind {
        /// What it has applied.
        applied: u64,
        /// What the leader has committed.
        committed: u64,
    },
    /// Nothing shows yet that the leader reaches it: without another one there might be no majority.
    Unreached,
    /// The leader has not said what it has committed: nobody can tell whether this one is behind.
    Ungated,
    /// It is not in the raft configuration: it would answer, and never change again.
    NotMember,
    /// It is in the raft configuration and has no vote yet.
    NotVoter,
    /// The leader has not told the raft configuration.
    VoteUnknown,
    /// Its disk is nearly full: it cannot be counted on to keep another write.
    DiskFull {
        /// Room left, in bytes.
        free: u64,
    },
    /// It runs another version than the document says.
    WrongVersion {
        /// What it runs.
        is: Version,
        /// What it should run.
        wanted: Version,
    },
    /// It does not say which version it runs.
    VersionUnknown,
}

impl Shortfall {
    /// Whether a server that lacks this cannot be counted on to take the leader's place now.
    pub fn bars_service(&self) -> bool {
        match self {
            Self::WrongVersion { .. } | Self::VersionUnknown | Self::DiskFull { .. } => false,
            Self::NotStarted
            | Self::Stopped
            | Self::Held(_)
            | Self::Ended { .. }
            | Self::Silent(_)
            | Self::Uninitialised
            | Self::Sealed
            | Self::KnowsNoLeader
            | Self::Behind { .. }
            | Self::Unreached
            | Self::Ungated
            | Self::NotMember
            | Self::NotVoter
            | Self::VoteUnknown => true,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("its process has not been started yet"),
            Self::Stopped => f.write_str("its process was stopped"),
            Self::Held(why) => f.write_str(why),
            Self::Ended { exit, times, again } => {
                write!(f, "its process ended ({})", ExitText(exit))?;
                if *times > 1 {
                    write!(f, ", {times} times in a row")?;
                }
                write!(f, "; it is started again in {}", Short(*again))
            }
            Self::Silent(how) => write!(f, "it {how}"),
            Self::Uninitialised => f.write_str("it is not initialised: it has not joined yet"),
            Self::Sealed => f.write_str("it is sealed"),
            Self::KnowsNoLeader => f.write_str("it knows no leader yet"),
            Self::Behind { applied, committed } => write!(
                f,
                "it has not caught up: it has applied {applied}, the leader has committed {committed}"
            ),
            Self::Unreached => {
                f.write_str("it has applied nothing new yet: the leader may not reach it")
            }
            Self::Ungated => {
                f.write_str("it may be behind: the leader has not said what it has committed")
            }
            Self::NotMember => f.write_str("it is not in the raft configuration"),
            Self::NotVoter => f.write_str("it has no vote in raft yet"),
            Self::VoteUnknown => {
                f.write_str("it may have no vote: the leader has not told the raft configuration")
            }
            Self::DiskFull { free } => {
                write!(f, "its disk is nearly full: {} MiB are left; make room", free >> 20)
            }
            Self::WrongVersion { is, wanted } => {
                write!(f, "it runs version {is}, and the document says {wanted}")
            }
            Self::VersionUnknown => f.write_str("it does not say which version it runs"),
        }
    }
}

/// How a process ended, in words.
pub struct ExitText<'a>(pub &'a Exit);

impl fmt::Display for ExitText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.signal, self.0.code) {
            (Some(signal), _) => write!(f, "signal {signal}")?,
            (None, Some(code)) => write!(f, "exit code {code}")?,
            (None, None) => f.write_str("it is not known how")?,
        }
        if self.0.no_space {
            f.write_str(": no space left on its disk; make room, nothing is lost")
        } else if let Some(reason) = &self.0.reason {
            write!(f, ": {reason}")
        } else {
            Ok(())
        }
    }
}

/// What `server` lacks, as far as it was seen; empty when it is as it should be.
pub fn of(server: &ServerName, seen: &Observed, wanted: &Version) -> Vec<Shortfall> {
    let Some(of_it) = seen.servers.get(server) else { return vec![Shortfall::NotStarted] };
    let mut all = Vec::new();
    all.extend(disk_full(of_it).map(|free| Shortfall::DiskFull { free }));
    if let Some(shortfall) = of_process(of_it, seen.at) {
        all.push(shortfall);
        return all;
    }
    let health = match &of_it.health {
        Err(error) => {
            all.push(Shortfall::Silent(match of_it.process {
                ProcessSeen::Running { .. } => format!("runs but {error}"),
                _ => error.clone(),
            }));
            return all;
        }
        Ok(health) => health,
    };
    match &health.version {
        Some(is) if is == wanted => {}
        Some(is) => all.push(Shortfall::WrongVersion { is: is.clone(), wanted: wanted.clone() }),
        None => all.push(Shortfall::VersionUnknown),
    }
    match health.state {
        State::Uninitialised => all.push(Shortfall::Uninitialised),
        State::Sealed => all.push(Shortfall::Sealed),
        State::Standby => all.extend(behind(of_it, seen)),
        State::Active => {}
    }
    if health.state.is_unsealed() {
        all.extend(membership(server, seen));
    }
    all
}

/// Below this much room a server's disk counts as full: its storage grows by 16 MiB and more at a
/// time.
pub const LEAST_FREE_BYTES: u64 = 64 << 20;

/// The room that is left when it is too little.
pub(crate) fn disk_full(of_it: &ServerSeen) -> Option<u64> {
    of_it.free_bytes.filter(|free| *free < LEAST_FREE_BYTES)
}

fn of_process(of_it: &ServerSeen, now: Timestamp) -> Option<Shortfall> {
    match &of_it.process {
        ProcessSeen::NotStarted => Some(Shortfall::NotStarted),
        ProcessSeen::Stopped => Some(Shortfall::Stopped),
        ProcessSeen::Waits(why) => Some(Shortfall::Held(why.clone())),
        ProcessSeen::Running { .. } | ProcessSeen::Elsewhere => None,
        ProcessSeen::Ended { exit, again, times, .. } => {
            Some(Shortfall::Ended { exit: exit.clone(), times: *times, again: until(*again, now) })
        }
    }
}

/// The time until a moment; zero when it has passed.
fn until(moment: Timestamp, now: Timestamp) -> Duration {
    let left: SignedDuration = moment.duration_since(now);
    Duration::try_from(left).unwrap_or(Duration::ZERO)
}

/// The raft index gate: 429 does not mean "caught up". A server that was just unsealed follows
/// only when it knows the leader and has applied what the leader has committed.
fn behind(of_it: &ServerSeen, seen: &Observed) -> Option<Shortfall> {
    let raft = match &of_it.raft {
        Some(raft) if !raft.leader_address.is_empty() => raft,
        _ => return Some(Shortfall::KnowsNoLeader),
    };
    let leader = seen.leader().and_then(|leader| seen.servers.get(leader))?;
    let Some(committed) = leader.raft.as_ref().map(|raft| raft.committed) else {
        return Some(Shortfall::Ungated);
    };
    // Both numbers were read at slightly different moments while writes go on: one that is behind
    // by less than what a busy cluster commits in a round follows.
    let follows = raft.applied.saturating_add(FOLLOWING) >= committed;
    match follows {
        false => Some(Shortfall::Behind { applied: raft.applied, committed }),
        true => (!of_it.reached).then_some(Shortfall::Unreached),
    }
}

/// How many log entries a server that follows may be behind at the moment it is asked.
const FOLLOWING: u64 = 200;

/// Whether it votes. That the configuration is not known counts once the login works with which it
/// is asked for; before, the probe that cannot be read yet says more.
fn membership(server: &ServerName, seen: &Observed) -> Option<Shortfall> {
    let Some(peers) = &seen.peers else {
        return matches!(seen.probe, Probe::Read(_)).then_some(Shortfall::VoteUnknown);
    };
    match peers.iter().find(|peer| peer.server == *server) {
        None => Some(Shortfall::NotMember),
        Some(peer) if !peer.voter => Some(Shortfall::NotVoter),
        Some(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use vaultyard_model::ClusterName;
    use vaultyard_testkit::sample;

    pub(crate) fn name(ordinal: u8) -> ServerName {
        ClusterName::new("vault").unwrap().server(ordinal)
    }

    pub(crate) fn version() -> Version {
        Version::new("2.7.2").unwrap()
    }

    /// Three servers as they should be; the first leads.
    pub(crate) fn healthy() -> Observed {
        cluster(3)
    }

    /// The same with another number of servers.
    pub(crate) fn cluster(replicas: u8) -> Observed {
        sample::observed(replicas)
    }

    /// Checks what the last server lacks after one change to a healthy cluster.
    fn check(change: impl FnOnce(&mut Observed), expected: &[&str]) {
        let mut seen = healthy();
        change(&mut seen);
        let found: Vec<String> =
            of(&name(2), &seen, &version()).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    fn last(seen: &mut Observed) -> &mut ServerSeen {
        seen.servers.get_mut(&name(2)).unwrap()
    }

    #[test]
    fn a_healthy_server_lacks_nothing() {
        check(|_| {}, &[]);
    }

    #[test]
    fn an_ended_process_says_how_and_when_it_comes_back() {
        let ended = |exit| ProcessSeen::Ended {
            exit,
            at: healthy().at,
            again: healthy().at + Duration::from_secs(4),
            times: 3,
        };
        let killed = Exit { code: None, signal: Some(9), reason: None, no_space: false };
        check(
            |seen| last(seen).process = ended(killed.clone()),
            &["its process ended (signal 9), 3 times in a row; it is started again in 4.0s"],
        );
        let full = Exit { code: Some(2), signal: None, no_space: true, ..killed };
        check(
            |seen| last(seen).process = ended(full),
            &["its process ended (exit code 2: no space left on its disk; make room, nothing is \
               lost), 3 times in a row; it is started again in 4.0s"],
        );
    }

    #[test]
    fn a_standby_without_a_leader_does_not_pass_the_gate() {
        check(
            |seen| last(seen).raft.as_mut().unwrap().leader_address.clear(),
            &["it knows no leader yet"],
        );
        check(|seen| last(seen).raft = None, &["it knows no leader yet"]);
    }

    #[test]
    fn a_standby_that_is_behind_does_not_pass_the_gate() {
        check(
            |seen| last(seen).raft.as_mut().unwrap().applied = 700,
            &["it has not caught up: it has applied 700, the leader has committed 1000"],
        );
    }

    #[test]
    fn a_server_outside_the_raft_configuration_is_not_healthy_though_it_answers() {
        check(
            |seen| seen.peers.as_mut().unwrap().truncate(2),
            &["it is not in the raft configuration"],
        );
        check(
            |seen| seen.peers.as_mut().unwrap()[2].voter = false,
            &["it has no vote in raft yet"],
        );
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_well() {
        check(
            |seen| seen.peers = None,
            &["it may have no vote: the leader has not told the raft configuration"],
        );
        check(
            |seen| seen.servers.get_mut(&name(0)).unwrap().raft = None,
            &["it may be behind: the leader has not said what it has committed"],
        );
        check(
            |seen| last(seen).health.as_mut().unwrap().version = None,
            &["it does not say which version it runs"],
        );
    }

    #[test]
    fn before_the_first_login_an_unknown_vote_is_no_news() {
        check(
            |seen| {
                seen.peers = None;
                seen.probe = Probe::NotTried;
            },
            &[],
        );
    }

    #[test]
    fn a_full_disk_is_told_before_everything_else() {
        check(
            |seen| {
                last(seen).free_bytes = Some(3 << 20);
                last(seen).health.as_mut().unwrap().state = State::Sealed;
            },
            &["its disk is nearly full: 3 MiB are left; make room", "it is sealed"],
        );
    }

    #[test]
    fn a_server_of_another_version_says_both() {
        let old = Version::new("2.6.2").unwrap();
        check(
            |seen| last(seen).health.as_mut().unwrap().version = Some(old),
            &["it runs version 2.6.2, and the document says 2.7.2"],
        );
    }
}
