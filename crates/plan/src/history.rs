//! What of the past the decisions need. Folded over the rounds of observation, so that nothing
//! else has to remember.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vaultyard_model::ServerName;
use vaultyard_model::observed::{Observed, ProcessSeen};
use vaultyard_model::status::Phase;

/// The past, as far as it counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Whether the cluster has been `Ready` since this history began.
    pub was_ready: bool,
    /// Since when a majority is unsealed and nobody is active.
    pub leaderless_since: Option<Timestamp>,
    /// Since when a running server has not answered `sys/health` at all.
    pub silent_since: BTreeMap<ServerName, Timestamp>,
    /// What was done about life, newest last, within the present trouble.
    pub ended: Vec<(ServerName, Timestamp)>,
}

impl History {
    /// The history after one more round. `quorum` is how many servers are a majority.
    #[must_use]
    pub fn after(mut self, seen: &Observed, quorum: usize) -> Self {
        let leaderless = seen.leader().is_none() && seen.unsealed() >= quorum;
        self.leaderless_since =
            leaderless.then(|| earliest(self.leaderless_since, seen.at)).flatten();
        let silent_before = std::mem::take(&mut self.silent_since);
        for (server, of_it) in &seen.servers {
            let runs = matches!(of_it.process, ProcessSeen::Running { .. });
            if runs && of_it.health.is_err() {
                let since = silent_before.get(server).copied();
                self.silent_since.extend(earliest(since, seen.at).map(|at| (server.clone(), at)));
            }
        }
        if seen.leader().is_some() && self.silent_since.is_empty() {
            self.ended.clear();
        }
        self
    }

    /// The history after this phase was found.
    #[must_use]
    pub fn after_phase(mut self, phase: Phase) -> Self {
        self.was_ready |= phase == Phase::Ready;
        self
    }

    /// The history after a server was ended because of how it lived.
    #[must_use]
    pub fn after_ending(mut self, server: ServerName, at: Timestamp) -> Self {
        self.silent_since.remove(&server);
        self.leaderless_since = None;
        self.ended.push((server, at));
        self
    }
}

/// The start of a spell: the one noted, unless the clock was set back past it.
fn earliest(noted: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    Some(noted.map_or(now, |at| at.min(now)))
}
