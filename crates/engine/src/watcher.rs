//! Observes all servers, ends what only looks alive, and publishes the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vaultyard_model::observed::{Observed, ProcessSeen, ServerSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::launcher::Launcher;
use vaultyard_model::port::server::Server;
use vaultyard_model::status::{Phase, Status};
use vaultyard_model::{Cluster, Layout, ServerName};
use vaultyard_plan::history::History;
use vaultyard_plan::{life, status};

use crate::board::Board;
use crate::prober::Probed;
use crate::supervisor::Supervised;

/// Between two rounds while all is well: names and status follow the truth within a second.
const CALM: Duration = Duration::from_millis(250);
/// Between two rounds while something changes.
const BUSY: Duration = Duration::from_millis(50);
/// How long one server may take to say how it is. Above it counts as silent in this round.
const DEADLINE: Duration = Duration::from_millis(500);

/// Everything the watcher needs; [`run`](Self::run) it on a task.
pub struct Watcher {
    /// What is wanted.
    pub cluster: Cluster,
    /// Where it is.
    pub layout: Layout,
    /// The servers.
    pub servers: BTreeMap<ServerName, Watched>,
    /// For their logs.
    pub launcher: Arc<dyn Launcher>,
    /// What the other loops report.
    pub board: Board,
    /// Whether who copies the disk has both the keys and what opens them.
    pub key_beside_data: bool,
    /// What the prober found.
    pub probed: watch::Receiver<Probed>,
    /// Where each round's observation is published.
    pub observed: watch::Sender<Option<Observed>>,
    /// Where the status is published.
    pub status: watch::Sender<Option<Status>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// One server to watch.
pub struct Watched {
    /// Its API, without a token.
    pub api: Arc<dyn Server>,
    /// Its process.
    pub process: Supervised,
}

impl Watcher {
    /// Watches for ever.
    pub async fn run(mut self) {
        let mut history = History::default();
        let mut mending: Option<JoinHandle<()>> = None;
        loop {
            let seen = self.observe(&history).await;
            history = history.after(&seen, usize::from(self.cluster.servers.replicas.quorum()));
            let busy_mending = mending.as_ref().is_some_and(|task| !task.is_finished());
            if let Some(remedy) = life::remedy(&seen, &history).filter(|_| !busy_mending) {
                history = history.after_ending(remedy.server.clone(), seen.at);
                mending = self.mend(remedy);
            }
            let status = self.compose(&seen, &history);
            let settled = status.phase == Phase::Ready;
            history = history.after_phase(status.phase);
            self.observed.send_replace(Some(seen));
            self.status.send_if_modified(|last| {
                let changed = last.as_ref() != Some(&status);
                *last = Some(status);
                changed
            });
            tokio::select! {
                () = tokio::time::sleep(if settled { CALM } else { BUSY }) => {}
                Ok(()) = self.probed.changed() => tokio::time::sleep(BUSY).await,
            }
        }
    }

    /// One look at everything.
    async fn observe(&self, history: &History) -> Observed {
        let looks = self
            .servers
            .iter()
            .map(|(name, watched)| async { (name.clone(), look(watched).await) });
        let servers: BTreeMap<ServerName, ServerSeen> = join_all(looks).await.into_iter().collect();
        let Probed { peers, probe } = self.probed.borrow().clone();
        let at = self.clock.now();
        let mut seen = Observed { at, servers, peers, probe, elections_won: BTreeMap::new() };
        if history.leaderless_since.is_some() {
            let won = |name: &ServerName| Some((name.clone(), self.launcher.election_won(name)?));
            seen.elections_won = self.servers.keys().filter_map(won).collect();
        }
        seen
    }

    /// Ends one process, beside the rounds: it may take as long as its grace.
    fn mend(&self, remedy: life::Remedy) -> Option<JoinHandle<()>> {
        let process = self.servers.get(&remedy.server)?.process.clone();
        Some(tokio::spawn(async move {
            if let Err(error) = process.restart(remedy.signal, &remedy.why.to_string()).await {
                tracing::warn!(server = %remedy.server, "{error}");
            }
        }))
    }

    fn compose(&self, seen: &Observed, history: &History) -> Status {
        let waiting = |(name, report): (&ServerName, &watch::Receiver<crate::keeping::Report>)| {
            Some((name.clone(), report.borrow().waiting.clone()?))
        };
        let access = self.board.access.borrow().clone();
        status::compose(status::Input {
            cluster: &self.cluster,
            layout: &self.layout,
            seen,
            history,
            unsealers: &self.board.unsealers.iter().filter_map(waiting).collect(),
            access: access.lacks().as_ref(),
            root_token: self.board.root_token.borrow().as_deref(),
            certificates: &self.board.served.borrow(),
            key_beside_data: self.key_beside_data,
            proxy_leader: self.board.proxy_leader.borrow().as_ref(),
            controllers: self.board.controllers(),
        })
    }
}

/// One look at one server.
async fn look(watched: &Watched) -> ServerSeen {
    let process = watched.process.process();
    let free_bytes = watched.process.free_bytes().ok();
    let last_end = watched.process.last_end();
    if !matches!(process, ProcessSeen::Running { .. }) {
        let health = Err("is not running".to_owned());
        return ServerSeen { process, health, raft: None, last_end, free_bytes };
    }
    let asked = tokio::time::timeout(DEADLINE, async {
        let health = watched.api.health().await.map_err(|error| error.to_string());
        let unsealed = health.as_ref().is_ok_and(|health| health.state.is_unsealed());
        let raft = if unsealed { watched.api.leader().await.ok() } else { None };
        (health, raft)
    });
    let (health, raft) =
        asked.await.unwrap_or_else(|_| (Err(format!("did not answer within {DEADLINE:?}")), None));
    ServerSeen { process, health, raft, last_end, free_bytes }
}
