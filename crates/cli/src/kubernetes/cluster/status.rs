//! Makes the status of the cluster from what the unsealers tell, from how the pods are and from the
//! Lease of the certificates controller, and writes it into the `VaultCluster`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::stream::{SelectAll, StreamExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use vaultyard_engine::keeping;
use vaultyard_model::layout::Site;
use vaultyard_model::observed::{Observed, Probe, ProcessSeen, ServerSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::status::{Condition, ControllerStatus, Phase};
use vaultyard_model::{Cluster, ServerName, Zone};
use vaultyard_plan::history::History;
use vaultyard_plan::status;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::pod::ZONE;
use vaultyard_render::kubernetes::server_pod::SERVER;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::event::Recorder;
use vaultyard_target_kubernetes::kind::{Kind, LEASE, POD};
use vaultyard_target_kubernetes::{Api, ApiError, Reference, pods};

use super::{MANAGER, reports};
use crate::failure::{Failure, Kind as Fault};
use crate::kubernetes::hindrance::Hindrance;
use crate::kubernetes::leading::Post;
use crate::kubernetes::report::{KeeperTold, Report};
use crate::kubernetes::sites;
use crate::system::SystemClock;

mod certificates;
mod written;

use certificates::CertificatesController;
use written::Written;

/// Between two looks while all is well, and while something changes.
const CALM: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(200);
/// How long the first status waits until everything that is watched was seen once.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// Writes why a `VaultCluster` is not followed of which nothing stands.
pub(super) async fn refused(
    object: &ClusterObject,
    declared: &Value,
    why: &str,
) -> Result<(), ApiError> {
    let status = json!({
        "name": declared["metadata"]["name"],
        "target": "kubernetes",
        "phase": Phase::Failed.as_str(),
        "reason": why,
        "address": "",
        "servers": [],
        "controllers": [],
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "Refused", "message": why},
            {"type": "Stalled", "status": "True", "reason": "Refused", "message": why},
        ],
        "observedGeneration": declared["metadata"]["generation"],
    });
    object.patch_status(MANAGER, &status).await.map(drop)
}

/// What the status tells beside what is seen.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    /// Whether a person wants the cluster at rest.
    pub(super) stopped: bool,
    /// Why what is declared is not followed.
    pub(super) refused: Option<&'a str>,
    /// What was put back last.
    pub(super) drift: &'a watch::Sender<Option<String>>,
    /// Where news are told too.
    pub(super) events: &'a Recorder,
}

/// Looks and writes, until it is dropped.
pub(super) async fn keep(
    post: &Post,
    cluster: &Cluster,
    object: &ClusterObject,
    declared: &Value,
    beside: Told<'_>,
) -> Result<std::convert::Infallible, Failure> {
    let began = Instant::now();
    let mut scene = Scene::new(post, cluster)?;
    let served = ["Ready", "Degraded", "Upgrading"].map(Value::from);
    let mut history =
        History { in_service: served.contains(&declared["status"]["phase"]), ..History::default() };
    let mut written = Written::new(declared);
    let mut workloads = workloads(&post.api, &post.names, &scene);
    tokio::time::timeout(FIRST_LOOK, scene.look_once(&mut workloads)).await.ok();
    loop {
        let told = reports::all(scene.addresses()).await;
        let seen = scene.observed(&told, began.elapsed());
        let quorum = usize::from(cluster.servers.replicas.quorum());
        history = history.after(&seen, quorum);
        let status = scene.status(&told, &seen, &history, beside);
        history = history.after_phase(status.phase, false);
        let now = SystemClock.now();
        if let Some(news) = written.write(object, &status, now).await {
            beside.events.tell(news.severity, &news.reason, &news.message, now).await;
        }
        let pause = if status.phase == Phase::Ready { CALM } else { BUSY };
        let next = Instant::now() + pause;
        loop {
            tokio::select! {
                changed = workloads.next() => {
                    let ended = || Failure::text(Fault::Failed, "the watch of the pods ended");
                    let (workload, change) = changed.ok_or_else(ended)?;
                    scene.take(workload, change);
                }
                () = tokio::time::sleep_until(next) => break,
            }
        }
    }
}

/// The conditions by which tools tell what only takes its time from what waits for a person (kstatus:
/// `Reconciling`, `Stalled`). They stand only while they hold.
fn progress(status: &vaultyard_model::status::Status, refused: Option<&str>) -> Option<Condition> {
    let condition = |kind, reason, message: &str| {
        Some(Condition { kind, holds: true, reason, message: message.to_owned() })
    };
    match (refused, status.phase) {
        (Some(why), _) => condition("Stalled", "Refused", why),
        (None, Phase::Failed) => condition("Stalled", Phase::Failed.as_str(), &status.reason),
        (None, phase @ (Phase::Initialising | Phase::Upgrading)) => {
            condition("Reconciling", phase.as_str(), &status.reason)
        }
        (None, Phase::Pending | Phase::Ready | Phase::Degraded) => None,
    }
}

/// What is watched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Workload {
    Server(ServerName),
    Proxies,
    /// The Lease of the certificates controller.
    Certificates,
}

type Changes = std::pin::Pin<
    Box<dyn futures_util::Stream<Item = (Workload, Result<Option<Value>, ApiError>)> + Send>,
>;

fn workloads(api: &Api, names: &Names, scene: &Scene<'_>) -> SelectAll<Changes> {
    let watch = |workload: Workload, object: Reference| -> Changes {
        let changes = vaultyard_target_kubernetes::watch::watch(api.clone(), object);
        Box::pin(changes.map(move |change| (workload.clone(), change)))
    };
    let within = |kind, name: &str| Reference::within(kind, names.namespace(), name);
    let servers = scene.sites.iter().map(|site| &site.name);
    let pods =
        servers.map(|server| watch(Workload::Server(server.clone()), within(POD, server.as_str())));
    let deployment = Kind::find("apps/v1", "Deployment");
    let proxies = deployment.map(|kind| watch(Workload::Proxies, within(kind, &names.proxy())));
    let lease = Reference::within(LEASE, names.operations(), &names.certificates_controller());
    pods.chain(proxies).chain([watch(Workload::Certificates, lease)]).collect()
}

/// What is known beside the reports.
struct Scene<'a> {
    cluster: &'a Cluster,
    url: String,
    sites: Vec<Site>,
    certificates: CertificatesController,
    pods: BTreeMap<ServerName, Value>,
    images: BTreeMap<ServerName, String>,
    ready_proxies: u64,
    /// Why the objects cannot be kept.
    hindrance: Hindrance,
}

impl<'a> Scene<'a> {
    fn new(post: &Post, cluster: &'a Cluster) -> Result<Self, Failure> {
        Ok(Self {
            cluster,
            url: sites::url(&post.names),
            sites: sites::of(cluster)?,
            certificates: CertificatesController::new(post.names.operations(), Instant::now()),
            pods: BTreeMap::new(),
            images: BTreeMap::new(),
            ready_proxies: 0,
            hindrance: post.hindrance.clone(),
        })
    }

    /// Returns when everything that is watched was seen, or cannot be.
    async fn look_once(&mut self, workloads: &mut SelectAll<Changes>) {
        let (all, mut seen) = (workloads.len(), BTreeSet::new());
        while seen.len() < all {
            let Some((workload, change)) = workloads.next().await else { return };
            seen.insert(workload.clone());
            self.take(workload, change);
        }
    }

    fn take(&mut self, workload: Workload, change: Result<Option<Value>, ApiError>) {
        if let Err(error) = &change {
            tracing::warn!("{error}");
        }
        match (workload, change) {
            (Workload::Certificates, change) => {
                self.certificates.take(change, Instant::now(), SystemClock.now());
            }
            (_, Err(_)) => {}
            (Workload::Proxies, Ok(now)) => {
                let ready = now.and_then(|it| it["status"]["readyReplicas"].as_u64());
                self.ready_proxies = ready.unwrap_or_default();
            }
            (Workload::Server(server), Ok(None)) => {
                self.pods.remove(&server);
                self.images.remove(&server);
            }
            (Workload::Server(server), Ok(Some(pod))) => self.take_pod(server, pod),
        }
    }

    fn take_pod(&mut self, server: ServerName, pod: Value) {
        let zone = pod["metadata"]["labels"][ZONE].as_str();
        let zone = zone.and_then(|zone| Zone::new(zone).ok());
        if let Some(site) = self.sites.iter_mut().find(|site| site.name == server) {
            site.zone = zone.or(site.zone.take());
        }
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let own = containers.into_iter().find(|container| container["name"] == SERVER);
        if let Some(image) = own.and_then(|container| container["image"].as_str()) {
            self.images.insert(server.clone(), image.to_owned());
        }
        self.pods.insert(server, pod);
    }

    /// Where each server's pod is, if it is anywhere.
    fn addresses(&self) -> BTreeMap<ServerName, Option<IpAddr>> {
        let address = |server| self.pods.get(server)?["status"]["podIP"].as_str()?.parse().ok();
        let sites = self.sites.iter();
        sites.map(|site| (site.name.clone(), address(&site.name))).collect()
    }

    fn observed(
        &self,
        told: &BTreeMap<ServerName, Result<Report, String>>,
        uptime: Duration,
    ) -> Observed {
        let name = &self.cluster.name;
        let servers = told.iter().map(|(server, told)| (server.clone(), self.seen(server, told)));
        let mut seen = Observed {
            at: SystemClock.now(),
            uptime,
            servers: servers.collect(),
            peers: None,
            probe: Probe::NotTried,
            elections_won: BTreeMap::new(),
        };
        let leader = seen.leader().and_then(|leader| told.get(leader)?.as_ref().ok());
        if let Some(leader) = leader {
            seen.peers = leader.peers(name);
            seen.probe = leader.probe(name);
        }
        seen
    }

    /// One server: by its unsealer, else by its pod.
    fn seen(&self, server: &ServerName, told: &Result<Report, String>) -> ServerSeen {
        let pod = self.pods.get(server);
        let last_end = pod.and_then(|pod| pods::last_end(pod, SERVER));
        let why = match told {
            Ok(report) => return ServerSeen { last_end, ..report.seen() },
            Err(why) => why,
        };
        let process = match pod {
            None => ProcessSeen::Waits("its pod has not been created".to_owned()),
            Some(pod) => match pods::waits(pod, &[]) {
                Some(waits) => ProcessSeen::Waits(format!("its pod {waits}")),
                None => ProcessSeen::Elsewhere,
            },
        };
        let health = Err(format!("cannot be seen: {why}"));
        ServerSeen { process, health, raft: None, last_end, free_bytes: None }
    }

    fn status(
        &self,
        told: &BTreeMap<ServerName, Result<Report, String>>,
        seen: &Observed,
        history: &History,
        beside: Told<'_>,
    ) -> vaultyard_model::status::Status {
        let reports: BTreeMap<&ServerName, &Report> =
            told.iter().filter_map(|(server, told)| Some((server, told.as_ref().ok()?))).collect();
        let keeper = |told: &KeeperTold| keeping::Report::from(told);
        let unsealers = reports.iter().filter_map(|(server, report)| {
            Some(((*server).clone(), keeper(&report.unsealer).waiting?))
        });
        let unsealers: BTreeMap<_, _> = unsealers.collect();
        let leader = seen.leader().and_then(|leader| reports.get(leader));
        let of_leader = |told: fn(&Report) -> &KeeperTold| {
            leader.map_or_else(keeping::Report::default, |report| keeper(told(report)))
        };
        let access = of_leader(|report| &report.access);
        let logins = of_leader(|report| &report.logins);
        let custody = of_leader(|report| &report.custody);
        // Who makes the certificates, then who sees them served.
        let made = self.certificates.hindrance(Instant::now());
        let shown = reports.values().map(|it| keeper(&it.certificates));
        let renewals: Vec<_> = made.into_iter().chain(shown).collect();
        let unsealings: Vec<_> = reports.values().map(|it| keeper(&it.unsealer)).collect();
        let root_token = reports.values().find_map(|report| report.root_token.clone());
        let served = |(server, report): (&&ServerName, &&Report)| {
            Some(((*server).clone(), report.served()?))
        };
        let proxy = self.proxy();
        let controllers = [
            worst(&unsealings).status("unsealer"),
            access.status("access"),
            logins.status("logins"),
            custody.status("custody"),
            worst(&renewals).status("certificates"),
            proxy.clone(),
        ];
        let hindrance = beside.refused.map(str::to_owned);
        let hindrance = hindrance.or_else(|| self.hindrance.get());
        let mut status = status::compose(status::Input {
            cluster: self.cluster,
            target: "kubernetes",
            url: self.url.clone(),
            sites: &self.sites,
            seen,
            history,
            stopped: beside.stopped,
            hindrance: hindrance.as_deref(),
            unsealers: &unsealers,
            access: access.lacks().as_ref(),
            logins: Some(logins.lacks().as_ref().map_or(Ok(()), Err)),
            custody: custody.waiting.as_ref(),
            renewal: worst(&renewals).lacks().as_ref(),
            rollout: None,
            root_token: root_token.as_deref(),
            certificates: &reports.iter().filter_map(served).collect(),
            key_beside_data: reports.values().any(|report| report.key_beside_data),
            unreachable: proxy.last_error.as_deref(),
            controllers: controllers.into(),
        });
        for server in &mut status.servers {
            server.image = self.images.get(&server.name).cloned();
        }
        if let Some(what) = beside.drift.borrow().clone() {
            let (kind, reason) = ("DriftCorrected", "PutBack");
            status.conditions.push(Condition { kind, holds: true, reason, message: what });
        }
        status.conditions.extend(progress(&status, beside.refused));
        status
    }

    fn proxy(&self) -> ControllerStatus {
        let ready = self.ready_proxies > 0;
        let last_error = (!ready).then(|| "no proxy is ready".to_owned());
        ControllerStatus { name: "proxy", ready, last_success: None, last_error }
    }
}

/// The report that speaks for all: the first that lacks something.
fn worst(reports: &[keeping::Report]) -> keeping::Report {
    let lacking = reports.iter().find(|report| report.lacks().is_some());
    let lacking = lacking.or_else(|| reports.iter().max_by_key(|report| report.last_success));
    lacking.cloned().unwrap_or_default()
}
