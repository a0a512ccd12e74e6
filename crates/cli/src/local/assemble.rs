//! Makes the ports of a prepared cluster and starts the loops on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vaultyard_certificates::tls::{Swappable, client_config};
use vaultyard_dns::Records;
use vaultyard_engine::board::Board;
use vaultyard_engine::keeping::{Report, keep};
use vaultyard_engine::prober::{self, Probed};
use vaultyard_engine::supervisor::{Supervised, supervise};
use vaultyard_engine::watcher::{Watched, Watcher};
use vaultyard_keys::envelope::Split;
use vaultyard_keys::initialise::{Ports, Subject, Unsealer};
use vaultyard_keys::volume::directory::DirectoryVolume;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::port::custody::KeyEncryption;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::keeper::Keeper;
use vaultyard_model::port::launcher::Launcher;
use vaultyard_model::port::server::{Operator, Server};
use vaultyard_model::status::Status;
use vaultyard_model::{Layout, ServerName};
use vaultyard_target_local::LocalLauncher;
use vaultyard_vault::{Client, Session};

use super::access::AccessKeeper;
use super::certificates::{CertificateKeeper, Held, Public, of_proxy, of_server, proxy_folder};
use super::keepers::UnsealKeeper;
use super::keys::{Custody, Missing};
use super::prepare::Prepared;
use super::proxy::{self, RunningProxy};
use super::{faults, identities, keys, metrics, names};
use crate::control::{self, server::Desk, wire};
use crate::failure::{Failure, bad_input, failed};
use crate::system::{SystemClock, SystemRandom};

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
    /// Ends the keepers, each after its present round.
    pub(crate) stop_keepers: watch::Sender<bool>,
    /// The keepers.
    pub(crate) keepers: JoinSet<()>,
    /// All other loops. None of them ends by itself.
    pub(crate) loops: JoinSet<()>,
    /// The proxy.
    pub(crate) proxy: RunningProxy,
}

/// Starts everything. The first thing that cannot be had ends it, before any server is started.
pub(crate) async fn assemble(prepared: Prepared) -> Result<Assembly, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let cluster = prepared.document.cluster.clone();
    let layout = prepared.layout.clone();
    let paths = prepared.state.paths().clone();
    let custody = keys::open(&cluster, &paths, Missing::Create).await?;

    let root = prepared.authority.root_pem();
    let own = Arc::new(identities::shown(&prepared.own)?);
    let own_tls = identities::tls_with(root, own.clone())?;
    let clients = identities::clients(&layout, &own_tls);
    let session = Arc::new(Session::new(clients.clone(), Identity::Vaultyard));
    let trust = client_config(root.as_bytes(), None, &[]).map_err(failed)?;

    let listener = control::server::bind(&paths.control_socket()).map_err(failed)?;
    let records = Records::new(&names::facts(&cluster, &layout, None)).map_err(bad_input)?;
    let serial = names::first_serial(clock.now());
    let dns = vaultyard_dns::Server::bind(layout.dns, records, serial).await.map_err(bad_input)?;
    let mut registry = Registry::default();
    let public = Arc::new(Swappable::new(&prepared.proxy.pair().map_err(failed)?).map_err(failed)?);
    let proxy = proxy::start(proxy::Parts {
        config: proxy::config(&cluster, &layout),
        certificate: public.clone(),
        trust: trust.clone(),
        metrics: vaultyard_proxy::Metrics::register(registry.sub_registry_with_prefix("vaultyard")),
    })
    .await?;

    let spawner = faults::spawner().map_err(failed)?;
    let launcher: Arc<dyn Launcher> = Arc::new(LocalLauncher::new(
        cluster.clone(),
        layout.clone(),
        paths.clone(),
        prepared.program.clone(),
        spawner,
        clock.clone(),
    ));
    let (stop_keepers, stop) = watch::channel(false);
    let (mut loops, mut keepers) = (JoinSet::new(), JoinSet::new());
    let servers = supervise_all(&layout, &launcher, &clock, &mut loops);

    let (observed_in, observed) = watch::channel(None);
    let unsealers = {
        let make = Unsealers {
            prepared: &prepared,
            custody: &custody,
            clients: &clients,
            session: &session,
            servers: &servers,
        };
        let mut reports = BTreeMap::new();
        for (name, server) in &servers {
            let keeper = Box::new(UnsealKeeper(make.one(name, server)?));
            let (report_in, report) = watch::channel(Report::default());
            let wake = server.watch_process();
            spawn_keeper(&mut keepers, "unsealer", keeper, wake, report_in, &clock, &stop);
            reports.insert(name.clone(), report);
        }
        reports
    };

    let (access_in, access) = watch::channel(Report::default());
    let (root_in, root_token) = watch::channel(None);
    let keeper = Box::new(AccessKeeper::new(
        &prepared,
        &custody,
        &clients,
        session.clone(),
        observed.clone(),
        root_in,
    )?);
    let (_, never) = watch::channel(());
    spawn_keeper(&mut keepers, "access", keeper, never.clone(), access_in, &clock, &stop);

    let (served_in, served) = watch::channel(BTreeMap::new());
    let (fresh_in, fresh) = watch::channel(Report::default());
    let held = |place: &vaultyard_model::layout::Place| {
        let host: Arc<dyn Host> = Arc::new(servers.get(&place.name)?.clone());
        Some(Held {
            name: place.name.clone(),
            wanted: of_server(&cluster, place),
            folder: paths.server(&place.name).path().to_owned(),
            address: place.api,
            host,
        })
    };
    let keeper = Box::new(CertificateKeeper {
        authority: prepared.authority.clone(),
        random: random.clone(),
        servers: layout.servers.iter().filter_map(held).collect(),
        proxy: Public {
            wanted: of_proxy(&cluster, &layout),
            folder: proxy_folder(&paths),
            served: public,
        },
        pki: paths.pki(),
        own,
        trust,
        served: served_in,
    });
    spawn_keeper(&mut keepers, "certificates", keeper, never, fresh_in, &clock, &stop);

    let proxy_leader = proxy.handle.leader();
    let (probed_in, probed) = watch::channel(Probed::default());
    loops.spawn(prober::probe(session, observed.clone(), probed_in, clock.clone()));
    let (status_in, status) = watch::channel(None);
    let watched = |(name, process): (&ServerName, &Supervised)| {
        let api: Arc<dyn Server> = clients.get(name)?.clone();
        Some((name.clone(), Watched { api, process: process.clone() }))
    };
    let watcher = Watcher {
        cluster: cluster.clone(),
        layout: layout.clone(),
        servers: servers.iter().filter_map(watched).collect(),
        launcher,
        board: Board { unsealers, access, certificates: fresh, proxy_leader, root_token, served },
        key_beside_data: custody.encryption.describe().key_beside_data,
        probed,
        observed: observed_in,
        status: status_in,
        clock: clock.clone(),
    };
    loops.spawn(watcher.run());

    let (records_in, records) = watch::channel(Vec::<wire::Record>::new());
    let handle = dns.handle();
    loops.spawn(names::publish(cluster, layout.clone(), observed.clone(), handle, records_in));
    loops.spawn(async move {
        if let Err(error) = dns.run(std::future::pending()).await {
            tracing::error!("the DNS server ended: {error}");
        }
    });
    loops.spawn(metrics::serve(metrics::bind(layout.metrics).await?, registry));
    let (stop_in, asked_to_stop) = watch::channel(false);
    let desk = Desk { status: status.clone(), records, stop: stop_in };
    loops.spawn(control::server::serve(listener, desk));
    Ok(Assembly {
        prepared,
        servers,
        observed,
        status,
        asked_to_stop,
        stop_keepers,
        keepers,
        loops,
        proxy,
    })
}

fn supervise_all(
    layout: &Layout,
    launcher: &Arc<dyn Launcher>,
    clock: &Arc<dyn Clock>,
    loops: &mut JoinSet<()>,
) -> BTreeMap<ServerName, Supervised> {
    let mut servers = BTreeMap::new();
    for place in &layout.servers {
        let (handle, supervisor) = supervise(place.name.clone(), launcher.clone(), clock.clone());
        loops.spawn(supervisor.run());
        servers.insert(place.name.clone(), handle);
    }
    servers
}

fn spawn_keeper<T: Clone + Send + Sync + 'static>(
    keepers: &mut JoinSet<()>,
    name: &'static str,
    keeper: Box<dyn Keeper>,
    wake: watch::Receiver<T>,
    report: watch::Sender<Report>,
    clock: &Arc<dyn Clock>,
    stop: &watch::Receiver<bool>,
) {
    keepers.spawn(keep(name, keeper, wake, report, clock.clone(), stop.clone()));
}

/// What all unsealers have in common.
struct Unsealers<'a> {
    prepared: &'a Prepared,
    custody: &'a Custody,
    clients: &'a BTreeMap<ServerName, Arc<Client>>,
    session: &'a Arc<Session>,
    servers: &'a BTreeMap<ServerName, Supervised>,
}

impl Unsealers<'_> {
    fn one(&self, name: &ServerName, server: &Supervised) -> Result<Unsealer, Failure> {
        let cluster = &self.prepared.document.cluster;
        let subject = Subject {
            cluster: cluster.name.clone(),
            server: name.clone(),
            split: Split { shares: cluster.keys.shares, threshold: cluster.keys.threshold },
            software: cluster.servers.software,
        };
        let client = |name: &ServerName| -> Option<Arc<dyn Server>> {
            Some(self.clients.get(name)?.clone())
        };
        let unknown =
            || Failure::text(crate::failure::Kind::Failed, format!("no client of {name}"));
        let folder = self.prepared.state.paths().server(name).unsealer();
        let operator: Arc<dyn Operator> = self.session.clone();
        let ports = Ports {
            own: client(name).ok_or_else(unknown)?,
            peers: self
                .servers
                .keys()
                .filter(|peer| *peer != name)
                .filter_map(|peer| Some((peer.clone(), client(peer)?)))
                .collect(),
            host: Arc::new(server.clone()),
            volume: Arc::new(DirectoryVolume::open(folder).map_err(failed)?),
            store: self.custody.store.clone(),
            encryption: self.custody.encryption.clone(),
            random: Arc::new(SystemRandom),
            operator: Some(operator),
            log: Some(self.custody.log.clone()),
            faults: faults::hook(),
        };
        Ok(Unsealer::new(subject, ports))
    }
}
