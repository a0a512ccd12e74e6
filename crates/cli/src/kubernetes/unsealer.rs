//! `vaultyard controller unsealer`: the sidecar of one server. It initialises and unseals it, keeps
//! the logins while it leads, delivers its certificates, ends it when it only looks alive, and tells
//! how it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};
use vaultyard_certificates::tls::{client_config, server_config};
use vaultyard_engine::board::Board;
use vaultyard_engine::keeping::{Report, keep};
use vaultyard_engine::prober::{self, Probed};
use vaultyard_engine::watcher::{Looks, Watched, Watcher};
use vaultyard_keys::access::Settings;
use vaultyard_keys::envelope::Split;
use vaultyard_keys::generate_root::record::RootRecord;
use vaultyard_keys::initialise::{self, Subject, Unsealer};
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::volume::directory::DirectoryVolume;
use vaultyard_model::ServerName;
use vaultyard_model::access::Identity;
use vaultyard_model::cluster::Snapshots;
use vaultyard_model::layout::API_PORT;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::port::host::Host;
use vaultyard_model::port::keeper::Keeper;
use vaultyard_model::port::server::Server;
use vaultyard_plan::history::History;
use vaultyard_snapshots::folder::Folder;
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_target_kubernetes::Api;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::pod::{Looker, Paths, PodHost, watch_server};
use vaultyard_vault::{Client, Session};

use super::custody;
use super::delivery::DeliveryKeeper;
use super::hands::Hands;
use super::leaving::{self, DepartureKeeper};
use super::mounted::Mounted;
use super::operating::OperationKeeper;
use super::pod::ServerPod;
use super::rehearsal::{self, Stage};
use super::reviewer::{self, Reviewer};
use super::sites;
use super::snapshots::SnapshotKeeper;
use super::standing::{Part, Role};
use super::telling::{Begun, Telling};
use super::{door, inner_door, witness};
use crate::custody::for_snapshots;
use crate::failure::{Failure, Kind, failed};
use crate::keepers::access::{self, AccessKeeper, Ways};
use crate::keepers::kept::{self, CustodyKeeper};
use crate::keepers::scheduled::ScheduleKeeper;
use crate::keepers::served::Loading;
use crate::keepers::{UnsealKeeper, never};
use crate::stops::Stops;
use crate::system::{SystemClock, SystemRandom};
use crate::{faults, identities, system};

/// Between two tries to get at the keys.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at the document.
const READ_AGAIN: Duration = Duration::from_secs(10);
/// How long a keeper may take for the round it is in: initialising takes up to 9 s.
const LAST_ROUND: Duration = Duration::from_secs(15);

/// Keeps the server of this pod until it is told to stop.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut stops = Stops::listen()?;
    // One before this one may have died in the middle of a proof, and it may take long until this one begins.
    if let Err(error) = rehearsal::clear(&Paths::default()) {
        warn!("a throw-away server may go on: {error}");
    }
    let pod = ServerPod::this()?;
    let api = Api::in_cluster().map_err(failed)?;
    let object = ClusterObject::new(api.clone(), &pod.names);
    let (declared_in, declared) = watch::channel(Value::Null);
    let mut loops = JoinSet::new();
    loops.spawn(read_on_change(object, declared_in));
    let part = Part::first(declared.clone(), &pod).await;
    let pod = Arc::new(pod.among(part.standing));
    let over = part.is_over(&pod, declared.clone());
    if part.role != Role::Member {
        let door = door::open().await?;
        return tokio::select! {
            failure = leaving::leave(&pod, part.role, door) => Err(failure),
            () = over => Err(failed(system::begin_anew())),
            _ = stops.next() => Ok(ExitCode::SUCCESS),
        };
    }
    let telling = Arc::new(Telling::new(pod.clone()));
    let (door, inner_door) = (door::open().await?, inner_door::open().await?);
    let answers = telling.clone();
    loops.spawn(door::answer(door, move |path| {
        let answers = answers.clone();
        async move { answers.answer(&path).await }
    }));
    let stop = watch::channel(false).0;
    let mut keepers = JoinSet::new();
    let work = async {
        let ground = Ground::lay(pod.clone(), api, &telling).await?;
        ground.start(declared, &telling, inner_door, &stop, &mut keepers, &mut loops)?;
        let ended = tokio::select! {
            Some(_) = keepers.join_next() => "a keeper",
            Some(_) = loops.join_next() => "a loop",
        };
        Err(Failure::text(Kind::Failed, format!("{ended} ended: this is a fault of Vaultyard")))
    };
    let stopped = tokio::select! {
        failure = work => return failure,
        _ = stops.next() => true,
        () = over => false,
    };
    stop.send_replace(true);
    timeout(LAST_ROUND, async { while keepers.join_next().await.is_some() {} }).await.ok();
    if stopped {
        return Ok(ExitCode::SUCCESS);
    }
    info!("another number of servers stands, or this one leaves: beginning anew");
    Err(failed(system::begin_anew()))
}

/// The ports of one server's pod.
struct Ground {
    pod: Arc<ServerPod>,
    paths: Paths,
    api: Api,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    store: Arc<dyn KeyStore>,
    encryption: Arc<dyn KeyEncryption>,
    host: PodHost,
    looker: Looker,
    logins: [Mounted; 2],
    served: Mounted,
    log: UnsealLog,
    /// What the unsealer shows to others, and whom it believes.
    inner: Arc<ClientConfig>,
    /// What the administrator shows to servers.
    administrator: Arc<ClientConfig>,
    /// Every server, asked with Vaultyard's certificate; the own one without the network.
    clients: BTreeMap<ServerName, Arc<Client>>,
    /// The same, asked with the administrator's certificate.
    administrators: BTreeMap<ServerName, Arc<Client>>,
    /// The own server's socket, and the name in its certificate.
    own: (SocketAddr, TlsName<'static>),
    root: String,
    client_authorities: String,
}

impl Ground {
    async fn lay(pod: Arc<ServerPod>, api: Api, telling: &Telling) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let paths = Paths::default();
        let (store, encryption) = loop {
            match custody::open(&api, &pod.names, &pod.cluster.keys).await {
                Ok(opened) => break opened,
                Err(failure) => {
                    telling.cannot_begin(failure.message());
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        };
        let read = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(&path);
            text.map_err(|error| {
                Failure::text(Kind::Failed, format!("{}: {error}", path.display()))
            })
        };
        let root = read(paths.certificates().join("ca.crt"))?;
        let client_authorities = read(paths.identities().join("clients.crt"))?;
        let login = |identity: Identity| Mounted::open(&paths.identities(), identity.as_str());
        let served = Mounted::open(&paths.certificates(), pod.server.as_str())?;
        let logins = [login(Identity::Vaultyard)?, login(Identity::Administrator)?];
        let tls = |login: &Mounted| identities::tls_with(&root, login.shown.clone());
        let (vaultyard, administrator) = (tls(&logins[0])?, tls(&logins[1])?);
        let all = sites::of(&pod.cluster)?;
        let software = pod.cluster.servers.software;
        let mut clients = identities::clients(&all, software, &vaultyard)?;
        let mut administrators = identities::clients(&all, software, &administrator)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, API_PORT));
        let host = sites::host(&pod.names, &pod.server)?;
        let name = identities::tls_name(&vaultyard_model::address::Host::Name(host))?;
        let own =
            |tls| Arc::new(identities::client(address.into(), name.clone(), tls).of(software));
        clients.insert(pod.server.clone(), own(&vaultyard));
        administrators.insert(pod.server.clone(), own(&administrator));
        let (host, looker) = watch_server(pod.server.clone(), paths.clone(), clock.clone());
        let own = (address, name);
        Ok(Self {
            pod,
            paths,
            api,
            clock,
            random,
            store,
            encryption,
            host,
            looker,
            logins,
            served,
            log: UnsealLog::new(Paths::default().last_unsealed()),
            inner: vaultyard,
            administrator,
            clients,
            administrators,
            own,
            root,
            client_authorities,
        })
    }

    fn start(
        self,
        declared: watch::Receiver<Value>,
        telling: &Arc<Telling>,
        inner_door: TcpListener,
        stop: &watch::Sender<bool>,
        keepers: &mut JoinSet<()>,
        loops: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        let unsealer = self.unsealer()?;
        let session = Arc::new(Session::new(self.clients.clone(), Identity::Vaultyard));
        let trust = client_config(self.root.as_bytes(), None, &[]).map_err(failed)?;
        let Self {
            pod,
            paths,
            api,
            clock,
            store,
            encryption,
            host,
            looker,
            logins,
            clients,
            administrators,
            ..
        } = self;
        let missing =
            || Failure::text(Kind::Failed, format!("there is no client of {}", pod.server));
        let administrator = administrators.get(&pod.server).cloned().ok_or_else(missing)?;
        let inner_tls =
            server_config(self.served.shown.clone(), self.client_authorities.as_bytes());
        let inner_tls = inner_tls.map_err(failed)?;
        let (log, inner) = (self.log, self.inner);
        let (observed_in, observed) = watch::channel(None);
        let (probed_in, probed) = watch::channel(Probed::default());
        let (root_token_in, root_token) = watch::channel(None);
        let (served_in, served) = watch::channel(BTreeMap::new());
        let mut keep = |name, keeper: Box<dyn Keeper>, wake: watch::Receiver<()>| {
            let (publish, report) = watch::channel(Report::default());
            keepers.spawn(keep(name, keeper, wake, publish, clock.clone(), stop.subscribe()));
            report
        };
        let (process, wake) = watch::channel(());
        loops.spawn(wake_on_change(host.watch_process(), process));
        let unsealer = keep("unsealer", Box::new(UnsealKeeper(unsealer)), wake);
        let ways = Ways {
            vaultyard: clients.get(&pod.server).cloned().ok_or_else(missing)?,
            administrator: administrator.clone(),
            socket: Client::unix(paths.admin_socket()),
        };
        let access = AccessKeeper::new(access::Parts {
            cluster: pod.cluster.name.clone(),
            software: pod.cluster.servers.software,
            settings: Settings {
                audit_file: access::audit_file(pod.cluster.servers.software),
                client_authorities: self.client_authorities,
                secret_mount: pod.built_in,
                stabilization_time: access::STABILIZATION_TIME.to_owned(),
                service_accounts: Some(reviewer::service_accounts(&pod.names)),
            },
            store: store.clone(),
            encryption: encryption.clone(),
            record: RootRecord::new(paths.root_tokens()),
            ways: BTreeMap::from([(pod.server.clone(), ways)]),
            session: session.clone(),
            observed: observed.clone(),
            root_token: root_token_in,
        });
        let access = keep("access", Box::new(access), never());
        let reviewer = Reviewer::new(
            api.clone(),
            pod.names.clone(),
            pod.server.clone(),
            administrator,
            observed.clone(),
            access.clone(),
        )?;
        let tried_logins = keep("logins", Box::new(reviewer), never());
        let (shelf_in, shelf) = watch::channel(shelf(&paths, &pod.cluster.snapshots));
        let hands = Arc::new(Hands {
            cluster: pod.cluster.name.clone(),
            server: pod.server.clone(),
            store: store.clone(),
            encryption: encryption.clone(),
            administrators,
            observed: observed.clone(),
            shelf,
        });
        let (asked_in, asked) = watch::channel(());
        let (wanted_in, wanted) = watch::channel(pod.cluster.snapshots.clone());
        loops.spawn(wake_on_change(declared.clone(), asked_in));
        loops.spawn(follow_schedule(wanted_in, shelf_in, paths.clone()));
        let (answered_in, answered) = watch::channel(None);
        let snapshots = SnapshotKeeper {
            hands: hands.clone(),
            declared: declared.clone(),
            answered: answered_in,
        };
        let snapshots = keep("snapshots", Box::new(snapshots), asked.clone());
        let schedule = ScheduleKeeper { wanted, taking: hands.clone(), ours: None };
        let schedule = keep("schedule", Box::new(schedule), never());
        let departures = DepartureKeeper {
            server: pod.server.clone(),
            names: pod.names.clone(),
            declared: declared.clone(),
            observed: observed.clone(),
            operator: session.clone(),
        };
        keep("departures", Box::new(departures), asked.clone());
        let (operation_in, operation) = watch::channel(None);
        let (kept_in, kept_snapshots) = watch::channel(None);
        let stage = Stage {
            cluster: pod.cluster.clone(),
            paths: paths.clone(),
            tls: self.administrator,
            name: self.own.1.clone(),
        };
        let operations = OperationKeeper {
            hands,
            declared,
            told: operation_in,
            stage,
            kept: kept_in,
            looked: None,
        };
        keep("operations", Box::new(operations), asked);
        let custody = CustodyKeeper::new(kept::Parts {
            cluster: pod.cluster.name.clone(),
            store,
            encryption: encryption.clone(),
            random: Arc::new(SystemRandom),
            servers: BTreeSet::from([pod.server.clone()]),
            observed: observed.clone(),
        });
        let custody = keep("custody", Box::new(custody), never());
        let delivery = DeliveryKeeper {
            server: pod.server.clone(),
            paths,
            host: host.clone(),
            shown_at: self.own,
            trust,
            loading: Loading::default(),
            shows: logins.into_iter().chain([self.served]).collect(),
            served: served_in,
        };
        let certificates = keep("certificates", Box::new(delivery), never());
        loops.spawn(host.clone().rotate_audit());
        let own_host: Arc<dyn Host> = Arc::new(host);
        let watched = |(name, client): (ServerName, Arc<Client>)| {
            let api: Arc<dyn Server> = client;
            let host = (name == pod.server).then(|| own_host.clone());
            (name, Watched { api, host })
        };
        let board = Board {
            unsealers: BTreeMap::from([(pod.server.clone(), unsealer)]),
            access,
            custody,
            certificates,
            root_token,
            served,
            rollout: None,
            snapshots: Some(schedule),
            proxy_leader: None,
        };
        let key_beside_data = encryption.describe().key_beside_data;
        let (looks, looks_asked) = Looks::new();
        telling.begin(Begun {
            key_beside_data,
            observed: observed.clone(),
            looks,
            board: board.clone(),
            logins: tried_logins,
            snapshots,
            answered,
            operation,
            kept_snapshots,
            api: api.clone(),
            log: log.clone(),
        });
        let answers = telling.clone();
        loops.spawn(inner_door::answer(inner_door, inner_tls, move |caller, request| {
            let answers = answers.clone();
            async move { answers.answer_inner(&caller, &request).await }
        }));
        let others = sites::of(&pod.cluster)?.into_iter().filter(|site| site.name != pod.server);
        let others = others.map(|site| (site.name, site.address.host.to_string())).collect();
        loops.spawn(witness::ask(others, inner, log));
        let watcher = Watcher {
            history: History::default(),
            cluster: watch::channel(pod.cluster.clone()).1,
            target: "kubernetes",
            url: sites::url(&pod.names),
            sites: sites::of(&pod.cluster)?,
            servers: clients.into_iter().map(watched).collect(),
            board,
            key_beside_data,
            overdue: watch::channel(false).1,
            probed,
            asked: looks_asked,
            observed: observed_in,
            status: watch::channel(None).0,
            clock: clock.clone(),
        };
        loops.spawn(looker.run());
        loops.spawn(prober::probe(session, observed, probed_in));
        loops.spawn(watcher.run());
        Ok(())
    }

    fn unsealer(&self) -> Result<Unsealer, Failure> {
        let ServerPod { cluster, server, .. } = &*self.pod;
        let subject = Subject {
            cluster: cluster.name.clone(),
            server: server.clone(),
            split: Split {
                kind: cluster.key_kind(),
                shares: cluster.keys.shares,
                threshold: cluster.keys.threshold,
            },
            software: cluster.servers.software,
            authority: self.root.clone(),
        };
        let api = |client: &Arc<Client>| -> Arc<dyn Server> { client.clone() };
        let own = self.clients.get(server).map(api);
        let unknown = || Failure::text(Kind::Failed, format!("there is no client of {server}"));
        let peers = self.clients.iter().filter(|(peer, _)| *peer != server);
        let session = Arc::new(Session::new(self.clients.clone(), Identity::Vaultyard));
        let volume = DirectoryVolume::open(self.paths.records()).map_err(failed)?;
        let ports = initialise::Ports {
            own: own.ok_or_else(unknown)?,
            peers: peers.map(|(name, client)| (name.clone(), api(client))).collect(),
            host: Arc::new(self.host.clone()),
            volume: Arc::new(volume),
            store: self.store.clone(),
            encryption: self.encryption.clone(),
            random: self.random.clone(),
            operator: Some(session),
            log: Some(self.log.clone()),
            faults: faults::hook(),
        };
        Ok(Unsealer::new(subject, ports))
    }
}

/// Reads the `VaultCluster` whenever it changes.
async fn read_on_change(object: ClusterObject, declared: watch::Sender<Value>) {
    let mut changes = std::pin::pin!(object.watch());
    while let Some(change) = changes.next().await {
        match change {
            Ok(now) => drop(declared.send_replace(now.unwrap_or_default())),
            Err(error) => warn!("{error}"),
        }
    }
}

/// Where snapshots are kept.
fn shelf(paths: &Paths, wanted: &Snapshots) -> Arc<Shelf> {
    Arc::new(Shelf::new(Folder::at(paths.snapshots()), for_snapshots(&wanted.store)))
}

/// Passes on which snapshots are to be taken by themselves, and where all are kept, as the document says that
/// is followed: kubelet brings it into the pod.
async fn follow_schedule(
    wanted: watch::Sender<Snapshots>,
    kept: watch::Sender<Arc<Shelf>>,
    paths: Paths,
) {
    loop {
        tokio::time::sleep(READ_AGAIN).await;
        // A document that cannot be read says nothing.
        if let Ok(pod) = ServerPod::this() {
            if wanted.borrow().store != pod.cluster.snapshots.store {
                kept.send_replace(shelf(&paths, &pod.cluster.snapshots));
            }
            wanted.send_if_modified(|wanted| {
                let news = *wanted != pod.cluster.snapshots;
                *wanted = pod.cluster.snapshots;
                news
            });
        }
    }
}

/// Passes on that something changed.
async fn wake_on_change<T>(mut watched: watch::Receiver<T>, wake: watch::Sender<()>) {
    while watched.changed().await.is_ok() {
        wake.send_replace(());
    }
}
