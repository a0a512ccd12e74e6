//! What was seen of a cluster: plain values, gathered by the engine, read by the planner.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::{ServerName, Version};

/// All that was seen in one round.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// When the round ended, for people. Nothing is decided with it: clocks are set.
    pub at: Timestamp,
    /// When the round ended, as the time since the observing began. Only goes forward, at the
    /// pace of time.
    pub uptime: Duration,
    /// One entry for each server of the cluster.
    pub servers: BTreeMap<ServerName, ServerSeen>,
    /// The raft configuration as the leader knows it; `None` while nobody could be asked.
    pub peers: Option<Vec<Peer>>,
    /// The authenticated read through the leader (facts of life, not of health).
    pub probe: Probe,
    /// When each server's own log last said that it won an election. Filled only while nobody is
    /// active, since reading logs is dear.
    pub elections_won: BTreeMap<ServerName, Timestamp>,
}

impl Observed {
    /// The server that answers as active. Two may do so for a moment, when one was held up while
    /// the others elected a new leader; then it is the one whose address most servers name.
    pub fn leader(&self) -> Option<&ServerName> {
        let active = self.servers.iter().filter(|(_, seen)| seen.state() == Some(State::Active));
        // Of equals `max_by_key` takes the last: from behind, the first by name.
        active.rev().max_by_key(|(_, seen)| self.followers(seen)).map(|(name, _)| name)
    }

    /// How many servers name as the leader's the address of this one, which takes itself for it.
    fn followers(&self, leader: &ServerSeen) -> usize {
        let own = leader.raft.as_ref().filter(|raft| raft.is_self).map(|raft| &raft.leader_address);
        let named = self.servers.values().filter_map(|seen| seen.raft.as_ref());
        named.filter(|raft| Some(&raft.leader_address) == own).count()
    }

    /// Whether somebody leads, and reads through it are answered.
    pub fn serves(&self) -> bool {
        self.leader().is_some() && matches!(self.probe, Probe::Read(_))
    }

    /// Whether `server` is known to be a voter.
    pub fn voter(&self, server: &ServerName) -> Option<bool> {
        let peers = self.peers.as_ref()?;
        Some(peers.iter().any(|peer| peer.server == *server && peer.voter))
    }

    /// How many servers are unsealed.
    pub fn unsealed(&self) -> usize {
        let unsealed = |seen: &&ServerSeen| seen.state().is_some_and(State::is_unsealed);
        self.servers.values().filter(unsealed).count()
    }
}

/// What was seen of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSeen {
    /// Its process.
    pub process: ProcessSeen,
    /// What it answered when asked how it is; the error's text when it did not answer.
    pub health: Result<Health, String>,
    /// What it says of the leader and of its own log; `None` while sealed or silent.
    pub raft: Option<LeaderSeen>,
    /// Whether its leader has reached it since it was unsealed; true of one whose process is elsewhere.
    pub reached: bool,
    /// How its process last ended, by itself or because of how it lived, since this program began.
    pub last_end: Option<LastEnd>,
    /// Room left on the disk that holds its data, in bytes; `None` when that cannot be told.
    pub free_bytes: Option<u64>,
}

impl ServerSeen {
    /// The state it answered with.
    pub fn state(&self) -> Option<State> {
        self.health.as_ref().ok().map(|health| health.state)
    }

    /// The version it says it runs.
    pub fn version(&self) -> Option<&Version> {
        self.health.as_ref().ok()?.version.as_ref()
    }

    /// The id of its process, while that runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }
}

/// The life of a server's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessSeen {
    /// Not started yet, or ended on request and about to be started again.
    NotStarted,
    /// Running.
    Running {
        /// Its process id.
        pid: u32,
        /// Since when.
        since: Timestamp,
    },
    /// Ended; it is started again at `again`.
    Ended {
        /// How and why.
        exit: Exit,
        /// When it ended.
        at: Timestamp,
        /// When it is started again.
        again: Timestamp,
        /// How often it ended in a row without a minute of life between.
        times: u32,
    },
    /// Stopped because it was asked to.
    Stopped,
    /// On another machine: only its API tells of it.
    Elsewhere,
    /// Not started, and its target says why in words: no node has room, an image cannot be had.
    Waits(String),
}

impl ProcessSeen {
    /// Its id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Running { pid, .. } => Some(*pid),
            _ => None,
        }
    }
}

/// An end that nobody wanted for its own sake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEnd {
    /// How and why.
    pub exit: Exit,
    /// When.
    pub at: Timestamp,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last line of its log that says why, when there is one.
    pub reason: Option<String>,
    /// Whether the log says that there was no space left.
    pub no_space: bool,
}

/// The answer of `sys/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its state.
    pub state: State,
    /// The version it runs.
    pub version: Option<Version>,
}

/// The state of a server, from the status code of `sys/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// 501
    Uninitialised,
    /// 503
    Sealed,
    /// 429
    Standby,
    /// 200
    Active,
}

impl State {
    /// Standby or active.
    pub fn is_unsealed(self) -> bool {
        matches!(self, Self::Standby | Self::Active)
    }
}

/// The answer of `sys/seal-status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealStatus {
    /// Whether it was initialised, by itself or by joining.
    pub initialized: bool,
    /// Whether it is sealed.
    pub sealed: bool,
    /// How many shares are needed; 0 while the seal's configuration is not known (a joiner that
    /// has not fetched the challenge).
    pub threshold: u8,
    /// How many shares there are.
    pub shares: u8,
    /// How many shares were given in the present attempt.
    pub progress: u8,
}

/// The answer of `sys/leader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderSeen {
    /// Whether this server is the leader.
    pub is_self: bool,
    /// The leader's API address; empty while none is known.
    pub leader_address: String,
    /// The highest index known to be committed.
    pub committed: u64,
    /// The highest index applied here.
    pub applied: u64,
}

/// A member of the raft configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name: raft node ids are server names.
    pub server: ServerName,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it leads.
    pub leader: bool,
}

/// The result of the authenticated read through the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Not tried: no leader, or no login yet.
    NotTried,
    /// Read, in this time.
    Read(Duration),
    /// Answered, but not with the value: the server lives. Holds what it said.
    Answered(String),
    /// No answer within the deadline.
    Silent {
        /// The leader that was asked.
        leader: ServerName,
        /// How long after the first of them the last one was given up.
        lasted: Duration,
        /// How many in a row.
        times: u32,
    },
}
