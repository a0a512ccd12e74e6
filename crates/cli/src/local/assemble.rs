//! Makes the ports of a prepared cluster and starts the loops on them.

mod crew;
mod doors;
mod ground;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use vaultyard_engine::board::Board;
use vaultyard_engine::prober::{self, Probed};
use vaultyard_engine::supervisor::Supervised;
use vaultyard_engine::watcher::{Looks, Watched, Watcher};
use vaultyard_model::ServerName;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::host::Host;
use vaultyard_model::status::Status;

use self::crew::Crew;
use self::doors::Doors;
use self::ground::Ground;
use super::change::Changer;
use super::names;
use super::prepare::Prepared;
use super::rollout::LocalRollout;
use crate::control::{self, server::Desk};
use crate::failure::{Failure, Kind};
use crate::metrics;
use crate::proxy::RunningProxy;

/// A cluster whose loops run.
pub(crate) struct Assembly {
    /// Everything that was prepared; keeps the lock.
    pub(crate) prepared: Prepared,
    /// The servers' processes.
    pub(crate) servers: BTreeMap<ServerName, Supervised>,
    /// What was last seen.
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    /// How it is.
    pub(crate) status: watch::Receiver<Option<Status>>,
    /// Whether somebody asked over the control socket to stop.
    pub(crate) asked_to_stop: watch::Receiver<bool>,
    /// Says that nobody waits for the first `Ready` any more.
    pub(crate) overdue: watch::Sender<bool>,
    /// Ends the keepers, each after its present round.
    pub(crate) stop_keepers: watch::Sender<bool>,
    /// What runs.
    pub(crate) tasks: Tasks,
    /// The proxy.
    pub(crate) proxy: RunningProxy,
}

/// The tasks of a cluster. None of them ends by itself before it is told to.
pub(crate) struct Tasks {
    /// Ended each after its present round.
    pub(crate) keepers: JoinSet<()>,
    /// Ended at once, when the servers are.
    pub(crate) loops: JoinSet<()>,
    /// Is closed when the proxy has ended.
    pub(crate) proxy: watch::Receiver<()>,
}

impl Tasks {
    /// Returns when one of them has ended all the same: a fault of ours, after which nothing
    /// keeps the cluster as it should be any more.
    pub(crate) async fn first_end(&mut self) -> Failure {
        let ended = |what: &str, how: Result<(), JoinError>| {
            let how = how.err().map_or_else(String::new, |error| format!(": {error}"));
            Failure::text(Kind::Failed, format!("{what} ended{how}"))
                .hint("this is a fault of Vaultyard; `up` again goes on where it was")
        };
        tokio::select! {
            Some(how) = self.keepers.join_next() => ended("a keeper", how),
            Some(how) = self.loops.join_next() => ended("a loop", how),
            Err(_) = self.proxy.changed() => ended("the proxy", Ok(())),
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
    let mut crew = Crew::new(ground.clock.clone());
    let (observed_in, observed) = watch::channel(None);
    let (probed_in, probed) = watch::channel(Probed::default());
    let (status_in, status) = watch::channel(None);
    let (records_in, records) = watch::channel(Vec::new());
    let (stop_in, asked_to_stop) = watch::channel(false);
    let (overdue_in, overdue) = watch::channel(false);
    let (cluster_in, cluster) = watch::channel(ground.cluster().clone());
    let (generation_in, generation) = watch::channel(1);
    let (without_in, without_snapshot) = watch::channel(None);
    let (change_in, changes) = mpsc::channel(1);

    let servers = crew.start_servers(&ground);
    let unsealers = crew.start_unsealers(&ground, &servers)?;
    let access = crew.start_access(&ground, observed.clone())?;
    let custody = crew.start_custody(&ground, observed.clone());
    let certificates = crew.start_certificates(&ground, &servers, doors.public);
    let (looks, looks_asked) = Looks::new();
    let rollout = LocalRollout {
        launcher: ground.launcher.clone(),
        servers: servers.clone(),
        proxy: doors.proxy.handle.clone(),
        known: ground.prepared.known(),
        custody: (ground.custody.clone(), custody.clone()),
        observed: observed.clone(),
        looks,
        without_snapshot,
        generation,
        clock: ground.clock.clone(),
    };
    let rollout = crew.start_rollout(rollout);
    let snapshots = crew.start_snapshots(&ground, observed.clone());
    let board = Board {
        unsealers,
        access: access.report,
        custody,
        root_token: access.root_token,
        certificates: certificates.report,
        served: certificates.served,
        rollout: Some(rollout),
        snapshots,
        proxy_leader: Some(doors.proxy.handle.leader()),
    };
    let watched = |(name, process): (&ServerName, &Supervised)| {
        let host: Arc<dyn Host> = Arc::new(process.clone());
        Some((name.clone(), Watched { api: ground.api(name)?, host: Some(host) }))
    };
    let watcher = Watcher {
        cluster,
        target: "local",
        url: ground.layout().url(),
        sites: ground.layout().sites(),
        servers: servers.iter().filter_map(watched).collect(),
        board,
        key_beside_data: ground.custody.encryption.describe().key_beside_data,
        overdue,
        probed,
        asked: looks_asked,
        observed: observed_in,
        status: status_in,
        clock: ground.clock.clone(),
    };
    let names = names::publish(
        ground.cluster().clone(),
        ground.layout().clone(),
        observed.clone(),
        doors.dns.handle(),
        records_in,
    );
    let desk = Desk {
        status: status.clone(),
        records,
        proxy: Some(doors.proxy.handle.clone()),
        stop: stop_in,
        change: Some(change_in),
    };
    let changer = Changer {
        known: ground.prepared.known(),
        binaries: ground.prepared.binaries.clone(),
        launcher: ground.launcher.clone(),
        cluster: cluster_in,
        generation: generation_in,
        without_snapshot: without_in,
    };
    let prober = prober::probe(ground.session.clone(), observed.clone(), probed_in);
    crew.loops.spawn(watcher.run());
    crew.loops.spawn(changer.run(changes));
    crew.loops.spawn(prober);
    crew.loops.spawn(names);
    crew.loops.spawn(answer_names(doors.dns));
    crew.loops.spawn(metrics::serve(doors.metrics, doors.registry));
    crew.loops.spawn(control::server::serve(control, desk));
    Ok(Assembly {
        prepared: ground.prepared,
        servers,
        observed,
        status,
        asked_to_stop,
        overdue: overdue_in,
        stop_keepers: crew.stop,
        tasks: Tasks { keepers: crew.keepers, loops: crew.loops, proxy: doors.proxy.alive.clone() },
        proxy: doors.proxy,
    })
}

async fn answer_names(dns: vaultyard_dns::Server) {
    if let Err(error) = dns.run(std::future::pending()).await {
        tracing::error!("the DNS server ended: {error}");
    }
}
