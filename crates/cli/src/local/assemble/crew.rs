//! The tasks of a cluster, each started here and waited for in `local::run`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use vaultyard_certificates::tls::Swappable;
use vaultyard_engine::keeping::{Report, keep};
use vaultyard_engine::rollout::Roller;
use vaultyard_engine::supervisor::Supervised;
use vaultyard_keys::access::Settings;
use vaultyard_keys::envelope::Split;
use vaultyard_keys::generate_root::record::RootRecord;
use vaultyard_keys::initialise::{Ports, Subject, Unsealer};
use vaultyard_keys::volume::directory::DirectoryVolume;
use vaultyard_model::ServerName;
use vaultyard_model::layout::Place;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::keeper::Keeper;
use vaultyard_model::status::CertificateStatus;
use vaultyard_vault::Client;

use super::ground::Ground;
use crate::failure::{Failure, Kind, failed};
use crate::faults;
use crate::identities;
use crate::keepers::access::{self, AccessKeeper, Ways};
use crate::keepers::kept::{self, CustodyKeeper};
use crate::keepers::scheduled::ScheduleKeeper;
use crate::keepers::served::Loading;
use crate::keepers::{UnsealKeeper, never};
use crate::local::certificates::{
    CertificateKeeper, Held, Public, of_proxy, of_server, proxy_folder,
};
use crate::local::rollout::LocalRollout;
use crate::local::snapshots::{self, Scheduled};
use crate::system::SystemRandom;

/// Tasks, and how the keepers among them are told to end.
pub(super) struct Crew {
    /// Ended each after its present round.
    pub(super) keepers: JoinSet<()>,
    /// None of them ends by itself.
    pub(super) loops: JoinSet<()>,
    /// Ends the keepers.
    pub(super) stop: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
}

/// What the keeper of access publishes.
pub(super) struct AccessReports {
    pub(super) report: watch::Receiver<Report>,
    pub(super) root_token: watch::Receiver<Option<String>>,
}

/// What the keeper of certificates publishes.
pub(super) struct CertificateReports {
    pub(super) report: watch::Receiver<Report>,
    pub(super) served: watch::Receiver<BTreeMap<ServerName, CertificateStatus>>,
}

impl Crew {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (stop, _) = watch::channel(false);
        Self { keepers: JoinSet::new(), loops: JoinSet::new(), stop, clock }
    }

    /// Starts the unsealer of every server. Each is woken when its server's process changes.
    pub(super) fn start_unsealers(
        &mut self,
        ground: &Ground,
        servers: &BTreeMap<ServerName, Supervised>,
    ) -> Result<BTreeMap<ServerName, watch::Receiver<Report>>, Failure> {
        let mut reports = BTreeMap::new();
        for (name, server) in servers {
            let keeper = UnsealKeeper(unsealer(ground, name, server)?);
            let report = self.keep("unsealer", Box::new(keeper), server.watch_process());
            reports.insert(name.clone(), report);
        }
        Ok(reports)
    }

    /// Starts the keeper of logins.
    pub(super) fn start_access(
        &mut self,
        ground: &Ground,
        observed: watch::Receiver<Option<Observed>>,
    ) -> Result<AccessReports, Failure> {
        let (publish, root_token) = watch::channel(None);
        let keeper = AccessKeeper::new(access::Parts {
            cluster: ground.cluster().name.clone(),
            software: ground.cluster().servers.software,
            settings: Settings {
                audit_file: access::audit_file(ground.cluster().servers.software),
                client_authorities: ground.prepared.authority.clients_pem().to_owned(),
                secret_mount: ground.prepared.document.built_in,
                stabilization_time: access::STABILIZATION_TIME.to_owned(),
                service_accounts: None,
            },
            store: ground.custody.store.clone(),
            encryption: ground.custody.encryption.clone(),
            record: RootRecord::new(ground.paths().root_tokens()),
            ways: ways(ground)?,
            session: ground.session.clone(),
            observed,
            root_token: publish,
        });
        Ok(AccessReports { report: self.keep("access", Box::new(keeper), never()), root_token })
    }

    /// Starts who looks whether the keys are still kept.
    pub(super) fn start_custody(
        &mut self,
        ground: &Ground,
        observed: watch::Receiver<Option<Observed>>,
    ) -> watch::Receiver<Report> {
        let keeper = CustodyKeeper::new(kept::Parts {
            cluster: ground.cluster().name.clone(),
            store: ground.custody.store.clone(),
            encryption: ground.custody.encryption.clone(),
            random: Arc::new(SystemRandom),
            servers: ground.layout().servers.iter().map(|place| place.name.clone()).collect(),
            observed,
        });
        self.keep("custody", Box::new(keeper), never())
    }

    /// Starts the keeper of certificates.
    pub(super) fn start_certificates(
        &mut self,
        ground: &Ground,
        servers: &BTreeMap<ServerName, Supervised>,
        public: Arc<Swappable>,
    ) -> CertificateReports {
        let held = |place: &Place| {
            let host: Arc<dyn Host> = Arc::new(servers.get(&place.name)?.clone());
            Some(Held {
                name: place.name.clone(),
                wanted: of_server(ground.cluster(), place),
                folder: ground.paths().server(&place.name),
                address: place.api,
                host,
                loading: Loading::default(),
            })
        };
        let (publish, served) = watch::channel(BTreeMap::new());
        let keeper = CertificateKeeper {
            authority: ground.prepared.authority.clone(),
            random: ground.random.clone(),
            servers: ground.layout().servers.iter().filter_map(held).collect(),
            proxy: Public {
                wanted: of_proxy(ground.cluster(), ground.layout()),
                folder: proxy_folder(ground.paths()),
                served: public,
                address: ground.layout().proxy,
            },
            pki: ground.paths().pki(),
            own: ground.own.clone(),
            own_serial: ground.prepared.own.certificate.serial.clone(),
            trust: ground.trust.clone(),
            served: publish,
        };
        CertificateReports { report: self.keep("certificates", Box::new(keeper), never()), served }
    }

    /// Starts who changes the servers, in the middle of it when it `resumes`. Another document wakes it.
    pub(super) fn start_rollout(
        &mut self,
        rollout: LocalRollout,
        resumes: bool,
    ) -> watch::Receiver<Report> {
        let (wake, observed) = (rollout.generation.clone(), rollout.observed.clone());
        let roller = Roller::new(Arc::new(rollout), observed);
        let roller = if resumes { roller.resuming() } else { roller };
        self.keep("rollout", Box::new(roller), wake)
    }

    /// Starts who takes snapshots by itself, if the document asks for that.
    pub(super) fn start_snapshots(
        &mut self,
        ground: &Ground,
        observed: watch::Receiver<Option<Observed>>,
    ) -> Option<watch::Receiver<Report>> {
        let wanted = ground.cluster().snapshots.clone();
        let _ = wanted.interval?;
        let (known, custody) = (ground.prepared.known(), ground.custody.clone());
        let shelf = Arc::new(snapshots::shelf(&known));
        let taking = Arc::new(Scheduled { known, custody, shelf, observed });
        // What is taken by itself changes with `down` and `up`.
        let keeper = ScheduleKeeper { wanted: watch::channel(wanted).1, taking, ours: None };
        Some(self.keep("snapshots", Box::new(keeper), never()))
    }

    fn keep<T: Clone + Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        keeper: Box<dyn Keeper>,
        wake: watch::Receiver<T>,
    ) -> watch::Receiver<Report> {
        let (publish, report) = watch::channel(Report::default());
        let stop = self.stop.subscribe();
        self.keepers.spawn(keep(name, keeper, wake, publish, self.clock.clone(), stop));
        report
    }
}

/// How each server is asked while access is set up.
fn ways(ground: &Ground) -> Result<BTreeMap<ServerName, Ways>, Failure> {
    let tls =
        identities::tls(ground.prepared.authority.root_pem(), &ground.prepared.administrator)?;
    let software = ground.cluster().servers.software;
    let mut administrators = identities::clients(&ground.layout().sites(), software, &tls)?;
    let ways = |(name, vaultyard): (&ServerName, &Arc<Client>)| {
        let ways = Ways {
            vaultyard: vaultyard.clone(),
            administrator: administrators.remove(name)?,
            socket: Client::unix(ground.paths().server(name).admin_socket()),
        };
        Some((name.clone(), ways))
    };
    Ok(ground.clients.iter().filter_map(ways).collect())
}

fn unsealer(ground: &Ground, name: &ServerName, server: &Supervised) -> Result<Unsealer, Failure> {
    let cluster = ground.cluster();
    let subject = Subject {
        cluster: cluster.name.clone(),
        server: name.clone(),
        split: Split {
            kind: cluster.key_kind(),
            shares: cluster.keys.shares,
            threshold: cluster.keys.threshold,
        },
        software: cluster.servers.software,
        authority: ground.prepared.authority.root_pem().to_owned(),
    };
    let unknown = || Failure::text(Kind::Failed, format!("there is no client of {name}"));
    let peers = ground.clients.keys().filter(|peer| *peer != name);
    let volume = DirectoryVolume::open(ground.paths().server(name).unsealer()).map_err(failed)?;
    let ports = Ports {
        own: ground.api(name).ok_or_else(unknown)?,
        peers: peers.filter_map(|peer| Some((peer.clone(), ground.api(peer)?))).collect(),
        host: Arc::new(server.clone()),
        volume: Arc::new(volume),
        store: ground.custody.store.clone(),
        encryption: ground.custody.encryption.clone(),
        random: ground.random.clone(),
        operator: Some(ground.session.clone()),
        log: Some(ground.custody.log.clone()),
        faults: faults::hook(),
    };
    Ok(Unsealer::new(subject, ports))
}
