//! Observes all servers, ends what only looks alive, and publishes the status.

mod looks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use vaultyard_model::layout::Site;
use vaultyard_model::observed::{Observed, ServerSeen, State};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::server::Server;
use vaultyard_model::status::{Phase, Status};
use vaultyard_model::{Cluster, ServerName};
use vaultyard_plan::history::History;
use vaultyard_plan::life::{self, Ailment};
use vaultyard_plan::reached::Reached;
use vaultyard_plan::status;

use crate::board::Board;
use crate::prober::Probed;

pub use looks::Looks;
use looks::{Asked, answers, glance, look};

/// Between two rounds while all is well: names and status follow the truth within a second. Each unsealer
/// looks at all servers, so that nine of them have 81 looks to answer for in this time.
const CALM: Duration = Duration::from_secs(1);
/// Between two glances at the servers whose processes are here, in such a pause.
const GLANCE: Duration = Duration::from_millis(250);
/// The longest pause between two rounds while not all is well.
const TROUBLED: Duration = Duration::from_millis(250);
/// Between two rounds while something changes. What does not change any more is looked at ever more rarely,
/// since each look costs the servers, of which it is not yet well, three answers.
const BUSY: Duration = Duration::from_millis(25);
/// So many looks are taken in the time for which nothing has changed.
const LOOKS: u32 = 20;

/// Everything the watcher needs; [`run`](Self::run) it on a task.
pub struct Watcher {
    /// What is wanted now.
    pub cluster: watch::Receiver<Cluster>,
    /// `local` or `kubernetes`.
    pub target: &'static str,
    /// The URL clients use.
    pub url: String,
    /// Where the servers are.
    pub sites: Vec<Site>,
    /// The servers.
    pub servers: BTreeMap<ServerName, Watched>,
    /// What is known of the past already.
    pub history: History,
    /// What the other loops report.
    pub board: Board,
    /// Whether who copies the disk has both the keys and what opens them.
    pub key_beside_data: bool,
    /// Whether nobody waits for the first `Ready` any more.
    pub overdue: watch::Receiver<bool>,
    /// What the prober found.
    pub probed: watch::Receiver<Probed>,
    /// Who cannot wait for the next round.
    pub asked: Asked,
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
    /// What holds its process; `None` when that is on another machine.
    pub host: Option<Arc<dyn Host>>,
}

impl Watcher {
    /// Watches for ever.
    pub async fn run(mut self) {
        let began = Instant::now();
        let (mut history, mut reached) = (std::mem::take(&mut self.history), Reached::default());
        let mut mending: Option<JoinHandle<()>> = None;
        let (mut shape, mut since) = (Vec::new(), began);
        loop {
            // A look that has begun already tells nobody what is so now.
            let asked = self.asked.taken();
            let mut seen = self.observe(&history, began).await;
            reached.note(&mut seen);
            let cluster = self.cluster.borrow().clone();
            history = history.after(&seen, usize::from(cluster.servers.replicas.quorum()));
            let busy_mending = mending.as_ref().is_some_and(|task| !task.is_finished());
            let multiplier = cluster.servers.performance_multiplier;
            let remedy = life::remedy(&seen, &history, multiplier);
            if let Some(remedy) = remedy.filter(|_| !busy_mending) {
                history = history.after_ending(remedy.server.clone(), seen.uptime);
                mending = self.mend(remedy);
            }
            let status = self.compose(&cluster, &seen, &history);
            let settled = status.phase == Phase::Ready;
            let now = shape_of(&seen);
            if now != shape {
                (shape, since) = (now, Instant::now());
            }
            history = history.after_phase(status.phase, *self.overdue.borrow());
            asked.answer(&seen);
            self.observed.send_replace(Some(seen.clone()));
            self.status.send_if_modified(|last| {
                let changed = last.as_ref() != Some(&status);
                *last = Some(status);
                changed
            });
            let pause = pace(settled, since.elapsed());
            tokio::select! {
                () = sleep(pause) => {}
                () = changes(&self.servers, &seen), if settled => {}
                () = self.asked.wait() => {}
                Ok(()) = self.probed.changed() => sleep(BUSY).await,
            }
        }
    }

    /// One look at everything.
    async fn observe(&self, history: &History, began: Instant) -> Observed {
        let looks = self
            .servers
            .iter()
            .map(|(name, watched)| async { (name.clone(), look(watched).await) });
        let servers: BTreeMap<ServerName, ServerSeen> = join_all(looks).await.into_iter().collect();
        let Probed { peers, probe } = self.probed.borrow().clone();
        let (at, uptime) = (self.clock.now(), began.elapsed());
        let elections_won = BTreeMap::new();
        let mut seen = Observed { at, uptime, servers, peers, probe, elections_won };
        if history.leaderless_since.is_some() {
            let won = |(name, watched): (&ServerName, &Watched)| {
                Some((name.clone(), watched.host.as_ref()?.election_won()?))
            };
            seen.elections_won = self.servers.iter().filter_map(won).collect();
        }
        seen
    }

    /// Ends one process, beside the rounds: it may take as long as its grace.
    fn mend(&self, remedy: life::Remedy) -> Option<JoinHandle<()>> {
        let Watched { api, host } = self.servers.get(&remedy.server)?;
        let (api, host) = (api.clone(), host.clone()?);
        Some(tokio::spawn(async move {
            let life::Remedy { server, pid, signal, why } = remedy;
            if matches!(why, Ailment::Silent(_)) && answers(api.as_ref()).await {
                tracing::warn!(%server, "it answers, but late: the machine may be short of time");
                return;
            }
            if let Err(error) = host.restart_process(pid, signal, &why.to_string()).await {
                tracing::warn!(%server, "{error}");
            }
        }))
    }

    fn compose(&self, cluster: &Cluster, seen: &Observed, history: &History) -> Status {
        let waiting = |(name, report): (&ServerName, &watch::Receiver<crate::keeping::Report>)| {
            Some((name.clone(), report.borrow().waiting.clone()?))
        };
        let access = self.board.access.borrow().clone();
        let custody = self.board.custody.borrow().clone();
        let renewal = self.board.certificates.borrow().clone();
        let rollout = self.board.rollout.as_ref().map(|report| report.borrow().lacks());
        let taken = self.board.proxy_leader.as_ref().map(|leader| leader.borrow().clone());
        let errs = |taken: Option<ServerName>| status::proxy_errs(seen.leader(), taken.as_ref());
        status::compose(status::Input {
            cluster,
            target: self.target,
            url: self.url.clone(),
            sites: &self.sites,
            seen,
            history,
            stopped: false,
            hindrance: None,
            unsealers: &self.board.unsealers.iter().filter_map(waiting).collect(),
            access: access.lacks().as_ref(),
            logins: None,
            custody: custody.waiting.as_ref(),
            renewal: renewal.lacks().as_ref(),
            rollout: rollout.as_ref().map(|lacks| lacks.as_ref().map_or(Ok(()), Err)),
            root_token: self.board.root_token.borrow().as_deref(),
            certificates: &self.board.served.borrow(),
            key_beside_data: self.key_beside_data,
            unreachable: taken.and_then(errs).as_deref(),
            controllers: self.board.controllers(),
        })
    }
}

/// Returns when a server whose process is here is not as it was `seen`.
async fn changes(servers: &BTreeMap<ServerName, Watched>, seen: &Observed) {
    loop {
        sleep(GLANCE).await;
        let glances = servers.iter().filter_map(|(name, watched)| {
            let seen = seen.servers.get(name)?;
            Some(glance(watched, seen))
        });
        if join_all(glances).await.contains(&false) {
            return;
        }
    }
}

/// When the next round is due.
fn pace(settled: bool, unchanged: Duration) -> Duration {
    if settled { CALM } else { (unchanged / LOOKS).clamp(BUSY, TROUBLED) }
}

/// What changes only when something happens to a server.
fn shape_of(seen: &Observed) -> Vec<(Option<u32>, Option<State>)> {
    seen.servers.values().map(|server| (server.pid(), server.state())).collect()
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::sync::atomic::Ordering;
    use std::task::Poll;

    use vaultyard_model::Version;
    use vaultyard_testkit::fixed::FixedClock;
    use vaultyard_testkit::sample;

    use super::looks::tests::Says;
    use super::*;
    use crate::keeping::Report;

    fn fixed<T>(value: T) -> watch::Receiver<T> {
        watch::channel(value).1
    }

    fn watcher(api: Arc<dyn Server>, asked: Asked) -> Watcher {
        let cluster = sample::cluster(1);
        let name = cluster.name.server(0);
        Watcher {
            cluster: fixed(cluster),
            target: "local",
            url: String::new(),
            sites: Vec::new(),
            servers: BTreeMap::from([(name, Watched { api, host: None })]),
            history: History::default(),
            board: Board {
                unsealers: BTreeMap::new(),
                access: fixed(Report::default()),
                custody: fixed(Report::default()),
                certificates: fixed(Report::default()),
                rollout: None,
                snapshots: None,
                proxy_leader: None,
                root_token: fixed(None),
                served: fixed(BTreeMap::new()),
            },
            key_beside_data: false,
            overdue: fixed(false),
            probed: fixed(Probed::default()),
            asked,
            observed: watch::channel(None).0,
            status: watch::channel(None).0,
            clock: Arc::new(FixedClock::default()),
        }
    }

    #[tokio::test]
    async fn a_look_that_was_under_way_is_no_answer() {
        let held = Arc::new(Says::held(Ok(State::Sealed)));
        let (looks, asked) = Looks::new();
        let watching = tokio::spawn(watcher(held.clone(), asked).run());
        while held.asked.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let mut fresh = Box::pin(looks.fresh());
        let asked = poll_fn(|context| Poll::Ready(fresh.as_mut().poll(context).is_pending()));
        assert!(asked.await, "it is answered before anybody looks");
        held.may.add_permits(2);
        let seen = fresh.await.unwrap();
        let versions: Vec<_> = seen.servers.values().filter_map(ServerSeen::version).collect();
        assert_eq!(versions, [&Version::new("1.0.2").unwrap()]);
        watching.abort();
    }

    #[test]
    fn what_does_not_become_well_is_looked_at_ever_more_rarely() {
        let paces = [0, 500, 1_000, 2_000, 5_000, 60_000]
            .map(|unchanged| pace(false, Duration::from_millis(unchanged)).as_millis());
        assert_eq!(paces, [25, 25, 50, 100, 250, 250]);
        assert_eq!(pace(true, Duration::ZERO), CALM);
    }
}
