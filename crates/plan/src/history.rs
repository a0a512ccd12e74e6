//! What of the past the decisions need. Folded over the rounds of observation, so that nothing
//! else has to remember.

use std::collections::BTreeMap;
use std::time::Duration;

use vaultyard_model::ServerName;
use vaultyard_model::observed::Observed;
use vaultyard_model::status::Phase;

/// The past, as far as it counts. Moments are those of [`Observed::uptime`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Whether the cluster counts as serving: it has been `Ready` since this history began, or is
    /// waited for no longer. From then on what it lacks is a degradation.
    pub in_service: bool,
    /// Since when a majority is unsealed and nobody is active.
    pub leaderless_since: Option<Duration>,
    /// The running servers that do not answer `sys/health` in time.
    pub silent: BTreeMap<ServerName, Silence>,
    /// What was done about life, newest last, within the present trouble.
    pub ended: Vec<(ServerName, Duration)>,
}

/// The silence of one process; the next process under the same name begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Whose.
    pub pid: u32,
    /// Since when.
    pub since: Duration,
}

impl History {
    /// The history after one more round. `quorum` is how many servers are a majority.
    #[must_use]
    pub fn after(mut self, seen: &Observed, quorum: usize) -> Self {
        let leaderless = seen.leader().is_none() && seen.unsealed() >= quorum;
        self.leaderless_since = leaderless.then(|| self.leaderless_since.unwrap_or(seen.uptime));
        let before = std::mem::take(&mut self.silent);
        for (server, of_it) in &seen.servers {
            if let (Some(pid), Err(_)) = (of_it.pid(), &of_it.health) {
                let noted = before.get(server).filter(|silence| silence.pid == pid).copied();
                let silence = noted.unwrap_or(Silence { pid, since: seen.uptime });
                self.silent.insert(server.clone(), silence);
            }
        }
        if seen.leader().is_some() && self.silent.is_empty() {
            self.ended.clear();
        }
        self
    }

    /// The history after this phase was found. `overdue` is whether nobody waits for `Ready` any
    /// more.
    #[must_use]
    pub fn after_phase(mut self, phase: Phase, overdue: bool) -> Self {
        self.in_service |= overdue || phase == Phase::Ready;
        self
    }

    /// The history after a server was ended because of how it lived.
    #[must_use]
    pub fn after_ending(mut self, server: ServerName, uptime: Duration) -> Self {
        self.silent.remove(&server);
        self.leaderless_since = None;
        self.ended.push((server, uptime));
        self
    }
}
