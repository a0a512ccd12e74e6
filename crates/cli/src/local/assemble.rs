//! Makes the ports of a prepared cluster and starts the loops on them.
//!
//! What listens, and the servers' processes with their supervisors, last as long as the program. Everything
//! else is a crew for the servers that stand: when one comes or goes another crew takes over, while clients and
//! the other servers notice nothing.

mod crew;
mod doors;
mod ground;
pub(crate) mod wires;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use vaultyard_certificates::tls::Swappable;
use vaultyard_engine::board::Board;
use vaultyard_engine::prober::{self, Probed};
use vaultyard_engine::shutdown::stop_all;
use vaultyard_engine::supervisor::{Supervised, supervise};
use vaultyard_engine::watcher::{Looks, Watched, Watcher};
use vaultyard_model::observed::ProcessSeen;
use vaultyard_model::port::host::{Host, Signal};
use vaultyard_model::status::Phase;
use vaultyard_model::{ServerName, chain};
use vaultyard_plan::history::History;
use vaultyard_plan::shutdown::{self, Stop};

use self::crew::Crew;
use self::doors::Doors;
use self::ground::Ground;
use self::wires::{Stand, Wires};
use super::change::Changer;
use super::names;
use super::prepare::{Prepared, standing_of};
use super::rollout::LocalRollout;
use crate::control::{self, server::Desk};
use crate::failure::{Failure, Kind, failed};
use crate::faults;
use crate::metrics;
use crate::progress::Progress;
use crate::proxy::RunningProxy;

/// How long a keeper may take for the round it is in: initialising takes up to 9 s.
const LAST_ROUND: Duration = Duration::from_secs(30);
/// Before it is tried again to have other servers stand.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A cluster whose loops run.
pub(crate) struct Assembly {
    /// What all of it stands on; keeps the lock.
    ground: Ground,
    /// Whom the crew is for.
    stands: Stand,
    /// The servers' processes.
    pub(crate) servers: BTreeMap<ServerName, Supervised>,
    /// What is published, and what is asked for.
    pub(crate) wires: Wires,
    /// What runs.
    pub(crate) tasks: Tasks,
    /// Ends the keepers, each after its present round.
    stop_keepers: watch::Sender<bool>,
    /// The proxy, and what its clients see.
    proxy: RunningProxy,
    public: Arc<Swappable>,
    names: vaultyard_dns::Handle,
}

/// The tasks of a cluster. None of them ends by itself before it is told to.
pub(crate) struct Tasks {
    /// Ended each after its present round.
    keepers: JoinSet<()>,
    /// The other loops of the crew.
    loops: JoinSet<()>,
    /// What listens, and follows documents.
    lasting: JoinSet<()>,
    /// A supervisor ends with a server that goes for good.
    supervisors: JoinSet<()>,
    /// Is closed when the proxy has ended.
    proxy: watch::Receiver<()>,
}

impl Tasks {
    /// Returns when one of them has ended all the same: a fault of ours, after which nothing
    /// keeps the cluster as it should be any more.
    async fn first_end(&mut self) -> Failure {
        let ended = |what: &str, how: Result<(), JoinError>| {
            let how = how.err().map_or_else(String::new, |error| format!(": {error}"));
            Failure::text(Kind::Failed, format!("{what} ended{how}"))
                .hint("this is a fault of Vaultyard; `up` again goes on where it was")
        };
        tokio::select! {
            Some(how) = self.keepers.join_next() => ended("a keeper", how),
            Some(how) = self.loops.join_next() => ended("a loop", how),
            Some(how) = self.lasting.join_next() => ended("a loop", how),
            how = Self::panicked(&mut self.supervisors) => ended("a supervisor", Err(how)),
            Err(_) = self.proxy.changed() => ended("the proxy", Ok(())),
        }
    }

    async fn panicked(supervisors: &mut JoinSet<()>) -> JoinError {
        loop {
            match supervisors.join_next().await {
                Some(Err(error)) => return error,
                Some(Ok(())) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Lets every keeper end the round it is in.
    async fn keepers_end(&mut self) {
        let ended =
            timeout(LAST_ROUND, async { while self.keepers.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!("a keeper did not end its round within {LAST_ROUND:?}");
        }
    }
}

/// Starts everything. The first thing that cannot be had ends it, before any server is started.
pub(crate) async fn assemble(
    prepared: Prepared,
    control: UnixListener,
) -> Result<Assembly, Failure> {
    let ground = Ground::lay(prepared).await?;
    let doors = Doors::open(&ground).await?;
    let wires = Wires::new(ground.cluster().clone(), standing_of(ground.layout()));
    let (change, changes) = mpsc::channel(1);
    let desk = Desk {
        status: wires.status.subscribe(),
        records: wires.records.subscribe(),
        proxy: Some(doors.proxy.handle.clone()),
        stop: wires.stop.clone(),
        change: Some(change),
    };
    let changer = Changer {
        known: ground.prepared.known(),
        binaries: ground.prepared.binaries.clone(),
        launcher: ground.launcher.clone(),
        cluster: wires.cluster.clone(),
        generation: wires.generation.clone(),
        without_snapshot: wires.without_snapshot.clone(),
    };
    let names = doors.dns.handle();
    let mut lasting = JoinSet::new();
    lasting.spawn(changer.run(changes));
    lasting.spawn(answer_names(doors.dns));
    lasting.spawn(metrics::serve(doors.metrics, doors.registry));
    lasting.spawn(control::server::serve(control, desk));
    let tasks = Tasks {
        keepers: JoinSet::new(),
        loops: JoinSet::new(),
        lasting,
        supervisors: JoinSet::new(),
        proxy: doors.proxy.alive.clone(),
    };
    let stands = *wires.standing.borrow();
    let mut assembly = Assembly {
        ground,
        stands,
        servers: BTreeMap::new(),
        wires,
        tasks,
        stop_keepers: watch::channel(false).0,
        proxy: doors.proxy,
        public: doors.public,
        names,
    };
    assembly.start_servers();
    assembly.start_crew(Begins::Anew)?;
    Ok(assembly)
}

/// With what a crew begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// With a cluster of which nothing is known yet.
    Anew,
    /// In the middle of a rollout that another crew has begun, of a cluster that serves or does not yet.
    Between { in_service: bool },
}

impl Assembly {
    /// What was prepared, and how it stands now.
    pub(crate) fn prepared(&self) -> &Prepared {
        &self.ground.prepared
    }

    /// Goes on until something ends that should not. Whoever drops this future must end the cluster: a crew
    /// may be about to take over.
    pub(crate) async fn live(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.resized().await {
                return failure;
            }
            if let Err(failure) = self.hand_over().await {
                return failure;
            }
        }
    }

    /// Returns when another number of servers is to stand; fails when something ends that should not. Can
    /// be dropped.
    pub(crate) async fn resized(&mut self) -> Result<(), Failure> {
        let mut wanted = self.wires.standing.subscribe();
        let now = self.stands;
        tokio::select! {
            failure = self.tasks.first_end() => Err(failure),
            Ok(_) = wanted.wait_for(|stand| *stand != now) => Ok(()),
        }
    }

    /// Has another crew take over, for the servers that are to stand now. The present one goes on while what that
    /// takes cannot be had.
    pub(crate) async fn hand_over(&mut self) -> Result<(), Failure> {
        let stands = *self.wires.standing.borrow();
        let next = match self.ground.next(stands.servers) {
            Ok(next) => next,
            Err(failure) => {
                tracing::warn!("{} servers cannot stand: {}", stands.servers, failure.message());
                tokio::time::sleep(TRY_AGAIN).await;
                return Ok(());
            }
        };
        let phase = self.wires.status.borrow().as_ref().map(|status| status.phase);
        let in_service = matches!(phase, Some(Phase::Ready | Phase::Degraded | Phase::Upgrading));
        self.stop_keepers.send_replace(true);
        self.tasks.keepers_end().await;
        self.tasks.loops.shutdown().await;
        self.ground.stand(next);
        self.stands = stands;
        let layout = self.ground.layout();
        let stays = |server: &ServerName, process: &Supervised| {
            layout.place(server).is_some() && process.process() != ProcessSeen::Stopped
        };
        self.servers.retain(|server, process| stays(server, process));
        // Only now: a keeper of before may still have written there.
        let state = &self.ground.prepared.state;
        for server in state.fallen(stands.servers) {
            if let Err(error) = state.remove_server(&server) {
                tracing::warn!(%server, "its data is removed by the next `up`: {}", chain(&error));
            }
        }
        self.proxy.handle.stand(&doors::servers(layout)).map_err(failed)?;
        self.start_servers();
        self.start_crew(Begins::Between { in_service })
    }

    /// Starts a supervisor, and with it the process, of every server that has none.
    fn start_servers(&mut self) {
        for place in &self.ground.layout().servers {
            if self.servers.contains_key(&place.name) {
                continue;
            }
            let (launcher, clock) = (self.ground.launcher.clone(), self.ground.clock.clone());
            let (handle, supervisor) = supervise(place.name.clone(), launcher, clock);
            self.tasks.supervisors.spawn(supervisor.run());
            self.servers.insert(place.name.clone(), handle);
        }
    }

    /// Starts the loops for the servers that stand.
    fn start_crew(&mut self, begins: Begins) -> Result<(), Failure> {
        let Self { ground, servers, wires, proxy, .. } = self;
        let mut crew = Crew::new(ground.clock.clone());
        // What was seen of other servers, and in another time, is not to be gone by.
        wires.observed.send_replace(None);
        let observed = wires.observed.subscribe();
        let probed = watch::Sender::new(Probed::default());
        let unsealers = crew.start_unsealers(ground, servers)?;
        let access = crew.start_access(ground, observed.clone())?;
        let custody = crew.start_custody(ground, observed.clone());
        let certificates = crew.start_certificates(ground, servers, self.public.clone());
        let (looks, looks_asked) = Looks::new();
        let rollout = LocalRollout {
            launcher: ground.launcher.clone(),
            servers: servers.clone(),
            operator: ground.session.clone(),
            proxy: proxy.handle.clone(),
            known: ground.prepared.known(),
            custody: (ground.custody.clone(), custody.clone()),
            observed: observed.clone(),
            looks,
            cluster: wires.cluster.subscribe(),
            standing: wires.standing.clone(),
            without_snapshot: wires.without_snapshot.subscribe(),
            generation: wires.generation.subscribe(),
            clock: ground.clock.clone(),
            faults: faults::hook(),
        };
        let rollout = crew.start_rollout(rollout, begins != Begins::Anew);
        let snapshots = crew.start_snapshots(ground, observed.clone());
        let board = Board {
            unsealers,
            access: access.report,
            custody,
            root_token: access.root_token,
            certificates: certificates.report,
            served: certificates.served,
            rollout: Some(rollout),
            snapshots,
            proxy_leader: Some(proxy.handle.leader()),
        };
        let watched = |(name, process): (&ServerName, &Supervised)| {
            let host: Arc<dyn Host> = Arc::new(process.clone());
            Some((name.clone(), Watched { api: ground.api(name)?, host: Some(host) }))
        };
        let in_service = begins == Begins::Between { in_service: true };
        let watcher = Watcher {
            cluster: wires.cluster.subscribe(),
            target: "local",
            url: ground.layout().url(),
            sites: ground.layout().sites(),
            servers: servers.iter().filter_map(watched).collect(),
            history: History { in_service, ..History::default() },
            board,
            key_beside_data: ground.custody.encryption.describe().key_beside_data,
            overdue: wires.overdue.subscribe(),
            probed: probed.subscribe(),
            asked: looks_asked,
            observed: wires.observed.clone(),
            status: wires.status.clone(),
            clock: ground.clock.clone(),
        };
        let names = names::publish(
            ground.cluster().clone(),
            ground.layout().clone(),
            observed.clone(),
            self.names.clone(),
            wires.records.clone(),
        );
        crew.loops.spawn(watcher.run());
        crew.loops.spawn(prober::probe(ground.session.clone(), observed, probed));
        crew.loops.spawn(names);
        self.tasks.keepers = crew.keepers;
        self.tasks.loops = crew.loops;
        self.stop_keepers = crew.stop;
        Ok(())
    }
}

/// Stops everything in order: no new requests, then the keepers, then the servers, the leader
/// last.
pub(crate) async fn stop(assembly: Assembly, progress: &Progress) {
    let Assembly { servers, wires, stop_keepers, mut tasks, proxy, ground, .. } = assembly;
    progress.waiting("requests in flight end");
    proxy.stop().await;
    progress.done("the proxy takes no more requests");
    stop_keepers.send_replace(true);
    tasks.keepers_end().await;
    let seen = wires.observed.borrow().clone();
    let unseen = |server: &ServerName| Stop { server: server.clone(), signal: Signal::Terminate };
    let order: Vec<Stop> = match &seen {
        Some(seen) if seen.servers.keys().eq(servers.keys()) => shutdown::order(seen),
        _ => servers.keys().rev().map(unseen).collect(),
    };
    stop_all(&servers, &order, |name| progress.waiting(format!("{name} stops"))).await;
    let names: Vec<_> = order.iter().map(|stop| stop.server.as_str()).collect();
    progress.done(format!("the servers are stopped: {}", names.join(", ")));
    // A caller that comes now is told that nobody is there, not left waiting.
    std::fs::remove_file(ground.prepared.state.paths().control_socket()).ok();
    drop(tasks);
    drop(ground.prepared.lock);
}

async fn answer_names(dns: vaultyard_dns::Server) {
    if let Err(error) = dns.run(std::future::pending()).await {
        tracing::error!("the DNS server ended: {error}");
    }
}
