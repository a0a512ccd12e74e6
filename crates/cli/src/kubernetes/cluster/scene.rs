//! What is watched of a cluster, and what is seen of it with what the unsealers tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{SelectAll, Stream, StreamExt};
use serde_json::Value;
use tokio::time::Instant;
use vaultyard_model::layout::Site;
use vaultyard_model::observed::{Observed, Probe, ProcessSeen, ServerSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::status::ControllerStatus;
use vaultyard_model::{Cluster, ServerName, Zone};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::pod::ZONE;
use vaultyard_render::kubernetes::server_pod::SERVER;
use vaultyard_target_kubernetes::kind::{Kind, LEASE, POD, STATEFUL_SET};
use vaultyard_target_kubernetes::pods::{self, Waits};
use vaultyard_target_kubernetes::{Api, ApiError, Reference};

use super::certificates::CertificatesController;
use super::reports::Told;
use super::revisions::{self, Pod};
use crate::failure::Failure;
use crate::kubernetes::leading::Post;
use crate::kubernetes::report::Report;
use crate::kubernetes::rollout::server_image;
use crate::kubernetes::sites;
use crate::system::SystemClock;

/// What is watched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Workload {
    Server(ServerName),
    /// The StatefulSet of the servers.
    Servers,
    Proxies,
    /// The Lease of the certificates controller.
    Certificates,
}

/// The workloads as they change.
pub(super) type Changes =
    Pin<Box<dyn Stream<Item = (Workload, Result<Option<Value>, ApiError>)> + Send>>;

/// Watches all of them.
pub(super) fn workloads(api: &Api, names: &Names, scene: &Scene<'_>) -> SelectAll<Changes> {
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
    let set = within(STATEFUL_SET, names.stateful_set());
    let lease = Reference::within(LEASE, names.operations(), &names.certificates_controller());
    let others = [watch(Workload::Servers, set), watch(Workload::Certificates, lease)];
    pods.chain(proxies).chain(others).collect()
}

/// What is known beside the reports.
pub(super) struct Scene<'a> {
    cluster: &'a Cluster,
    /// Where each server is.
    pub(super) sites: Vec<Site>,
    /// What the other controller says.
    pub(super) certificates: CertificatesController,
    pods: BTreeMap<ServerName, Value>,
    /// The StatefulSet.
    servers: Option<Value>,
    /// The image of each server.
    pub(super) images: BTreeMap<ServerName, String>,
    ready_proxies: u64,
}

impl<'a> Scene<'a> {
    pub(super) fn new(post: &Post, cluster: &'a Cluster) -> Result<Self, Failure> {
        Ok(Self {
            cluster,
            sites: sites::of(cluster)?,
            certificates: CertificatesController::new(post.names.operations(), Instant::now()),
            pods: BTreeMap::new(),
            servers: None,
            images: BTreeMap::new(),
            ready_proxies: 0,
        })
    }

    /// Returns when everything that is watched was seen, or cannot be.
    pub(super) async fn look_once(&mut self, workloads: &mut SelectAll<Changes>) {
        let (all, mut seen) = (workloads.len(), BTreeSet::new());
        while seen.len() < all {
            let Some((workload, change)) = workloads.next().await else { return };
            seen.insert(workload.clone());
            self.take(workload, change);
        }
    }

    pub(super) fn take(&mut self, workload: Workload, change: Result<Option<Value>, ApiError>) {
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
            (Workload::Servers, Ok(now)) => self.servers = now,
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
        if let Some(image) = server_image(&pod) {
            self.images.insert(server.clone(), image.to_owned());
        }
        self.pods.insert(server, pod);
    }

    /// Where each server's pod is, if it is anywhere.
    pub(super) fn addresses(&self) -> BTreeMap<ServerName, Option<IpAddr>> {
        let address = |server| self.pods.get(server)?["status"]["podIP"].as_str()?.parse().ok();
        let sites = self.sites.iter();
        sites.map(|site| (site.name.clone(), address(&site.name))).collect()
    }

    pub(super) fn observed(&self, told: &Told, uptime: Duration) -> Observed {
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

    /// The pods that stay, and in what they are not as the StatefulSet would make them now; `None` while that
    /// is not known. `declared` is the generation in which it is what is declared.
    pub(super) fn standing(&self, declared: Option<i64>) -> Option<BTreeMap<ServerName, Pod>> {
        revisions::pods(self.servers.as_ref()?, declared?, &self.pods)
    }

    /// One server: by its pod, and by what its unsealer tells.
    fn seen(&self, server: &ServerName, told: &Result<Report, String>) -> ServerSeen {
        let pod = self.pods.get(server);
        let last_end = pod.and_then(|pod| pods::last_end(pod, SERVER));
        let seen = match told {
            Ok(report) => report.seen(),
            Err(why) => ServerSeen {
                process: ProcessSeen::Elsewhere,
                health: Err(format!("cannot be seen: {why}")),
                raft: None,
                reached: true,
                last_end: None,
                free_bytes: None,
            },
        };
        ServerSeen { process: process(pod, seen.health.is_ok()), last_end, ..seen }
    }

    pub(super) fn proxy(&self) -> ControllerStatus {
        let ready = self.ready_proxies > 0;
        let last_error = (!ready).then(|| "no proxy is ready".to_owned());
        ControllerStatus { name: "proxy", ready, last_success: None, last_error }
    }
}

/// How a server's process is, which is in another pod. What has just answered runs, whatever the API
/// server knows by now.
fn process(pod: Option<&Value>, answers: bool) -> ProcessSeen {
    let Some(pod) = pod else {
        return ProcessSeen::Waits("its pod has not been created".to_owned());
    };
    let in_words = |waits: Waits| ProcessSeen::Waits(format!("its pod {waits}"));
    match (pods::process(pod, SERVER), pods::waits(pod, &[])) {
        // It is going, and what it still answers says nothing of what comes.
        (_, Some(waits @ Waits::Deleted)) => in_words(waits),
        _ if answers => ProcessSeen::Elsewhere,
        // Nobody knows yet whether it runs.
        (ProcessSeen::NotStarted, Some(Waits::Starting | Waits::NotReady { .. })) => {
            ProcessSeen::NotStarted
        }
        (ProcessSeen::NotStarted, Some(waits)) => in_words(waits),
        // A pod counts the ends of all its life. Of one that comes back they say nothing.
        (ProcessSeen::Ended { exit, at, again, .. }, waits) if !crashes(waits.as_ref()) => {
            ProcessSeen::Ended { exit, at, again, times: 1 }
        }
        (process, _) => process,
    }
}

/// Whether kubelet has come to start the server ever more rarely.
fn crashes(waits: Option<&Waits>) -> bool {
    matches!(waits, Some(Waits::Crashes { container, .. }) if container == SERVER)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod whose server's container is in this state, after so many restarts.
    fn pod(state: Value, restarts: u64) -> Value {
        let ended = json!({"terminated": {"exitCode": 1, "finishedAt": "2026-11-29T22:56:20Z"}});
        json!({"metadata": {"name": "vault-1"}, "status": {"containerStatuses": [
            {"name": SERVER, "ready": false, "state": state, "lastState": ended,
             "restartCount": restarts},
        ]}})
    }

    fn times(pod: &Value) -> Option<u32> {
        match process(Some(pod), false) {
            ProcessSeen::Ended { times, .. } => Some(times),
            _ => None,
        }
    }

    #[test]
    fn a_server_that_comes_back_is_not_taken_for_one_that_cannot_run() {
        let ended = json!({"terminated": {"exitCode": 137, "finishedAt": "2026-11-29T22:56:20Z"}});
        assert_eq!(times(&pod(ended, 4)), Some(1));
        let waits = |reason: &str| json!({"waiting": {"reason": reason}});
        assert_eq!(times(&pod(waits("CrashLoopBackOff"), 4)), Some(5));
        let mut first = pod(waits("ContainerCreating"), 0);
        first["status"]["containerStatuses"][0]["lastState"] = json!({});
        assert_eq!(process(Some(&first), false), ProcessSeen::NotStarted);
        first["status"]["containerStatuses"][0]["state"] = waits("ImagePullBackOff");
        assert!(matches!(process(Some(&first), false), ProcessSeen::Waits(_)));
    }

    #[test]
    fn what_answers_runs_unless_its_pod_goes() {
        let mut pod = pod(json!({"waiting": {"reason": "CrashLoopBackOff"}}), 2);
        assert_eq!(process(Some(&pod), true), ProcessSeen::Elsewhere);
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-29T22:56:20Z");
        let goes = ProcessSeen::Waits("its pod is being deleted".to_owned());
        assert_eq!(process(Some(&pod), true), goes);
    }
}
