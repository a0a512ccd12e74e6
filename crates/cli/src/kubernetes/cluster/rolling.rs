//! Replaces the pods of servers, one at a time, by evicting them: the StatefulSet makes each anew as it
//! is declared. Before a pod goes its unsealer hands over what it leads, while the proxies hold requests.

mod port;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;
use vaultyard_engine::keeping::{self, Report};
use vaultyard_engine::rollout::Roller;
use vaultyard_model::observed::Observed;
use vaultyard_model::{Cluster, ServerName, Version};
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::reports::Told;
use super::revisions::Pod;
use super::{MANAGER, Standing};
use crate::kubernetes::declared::wants_snapshot;
use crate::kubernetes::leading::Post;
use crate::kubernetes::leaving::LEFT;
use crate::kubernetes::report;
use crate::kubernetes::snapshots::{ASKED, Answered};
use crate::kubernetes::standing;
use crate::kubernetes::version_change;
use crate::system::SystemClock;
use port::PodRollout;

/// What one look tells of the pods.
#[derive(Debug, Clone, PartialEq)]
struct Pods {
    /// Those that stay, and in what they are not as they would be made now.
    stay: BTreeMap<ServerName, Pod>,
    /// Why none may go now.
    hindrance: Option<String>,
    /// How many there should be.
    servers: usize,
    /// What servers run, and what the one that leads does.
    versions: BTreeMap<ServerName, Version>,
    leads: Option<Version>,
    /// The snapshots that were asked for, and why none can be taken.
    snapshots: Vec<Answered>,
    no_snapshot: Option<String>,
    /// The members of raft, as the leader tells them.
    members: Option<BTreeSet<ServerName>>,
    /// Those that have left for good, and those that tell nothing.
    left: BTreeSet<ServerName>,
    silent: BTreeSet<ServerName>,
}

/// A rollout, from where the servers are looked at.
pub(super) struct Rolling {
    observed: watch::Sender<Option<Observed>>,
    pods: watch::Sender<Option<Pods>>,
    report: watch::Receiver<Report>,
}

/// The rollout of what is declared now, and what carries it out for as long as it is polled.
pub(super) fn begin(
    post: &Post,
    cluster: &Cluster,
    object: &ClusterObject,
    declared: &Value,
    stands: Standing,
) -> (Rolling, impl Future<Output = ()> + use<>) {
    let (observed, looks) = watch::channel(None);
    let (pods, of_pods) = watch::channel(None);
    let (publish, report) = watch::channel(Report::default());
    let port = PodRollout {
        api: post.api.clone(),
        names: post.names.clone(),
        software: cluster.servers.software,
        version: cluster.servers.version.clone(),
        servers: cluster.wanted().into_iter().chain(standing::coming(declared, cluster)).collect(),
        standing: stands.servers,
        comes: stands.runs > stands.servers,
        generation: declared["metadata"]["generation"].as_u64().unwrap_or_default(),
        wants_snapshot: wants_snapshot(declared, &cluster.servers.version),
        pods: of_pods.clone(),
        object: object.clone(),
        change: Mutex::new(version_change::read(declared)),
        asked: Mutex::new(declared["status"][ASKED].as_str().map(str::to_owned)),
    };
    let roller = Roller::new(Arc::new(port), looks);
    let roller = Box::new(if stands.resumes { roller.resuming() } else { roller });
    let work = async move {
        let mut of_pods = of_pods;
        // Before there is anything to look at a round would tell of nothing but that.
        of_pods.wait_for(Option::is_some).await.ok();
        let (clock, never) = (Arc::new(SystemClock), watch::channel(false).1);
        keeping::keep("rollout", roller, of_pods, publish, clock, never).await;
    };
    (Rolling { observed, pods, report }, work)
}

impl Rolling {
    /// Tells what a look has brought. What is not known of the pods any more is held to be as it was,
    /// and none of them goes.
    pub(super) fn look(
        &self,
        told: &Told,
        observed: &Observed,
        stay: Option<BTreeMap<ServerName, Pod>>,
        hindrance: Option<String>,
    ) {
        // Whoever reads of the pods first, and then this, knows of a pod that goes no earlier than that
        // it is not to be counted on.
        self.observed.send_replace(Some(observed.clone()));
        self.pods.send_if_modified(|last| {
            let before = last.as_ref().map(|last| last.stay.clone());
            let put_back = || "the StatefulSet is not as it is declared".to_owned();
            let hindrance = if stay.is_some() { hindrance } else { Some(put_back()) };
            let next = stay.or(before).map(|it| Pods::of(told, observed, it, hindrance));
            let news = *last != next;
            *last = next;
            news
        });
    }

    /// How far it is; `None` while the pods are not known.
    pub(super) fn report(&self) -> Option<Report> {
        self.pods.borrow().is_some().then(|| self.report.borrow().clone())
    }
}

impl Pods {
    fn of(
        told: &Told,
        observed: &Observed,
        stay: BTreeMap<ServerName, Pod>,
        hindrance: Option<String>,
    ) -> Self {
        let versions = observed.servers.iter();
        let versions: BTreeMap<_, _> = versions
            .filter_map(|(server, seen)| Some((server.clone(), seen.version()?.clone())))
            .collect();
        let leader = observed.leader();
        let answered = |(server, told): (&ServerName, &Result<report::Report, String>)| {
            let answered = told.as_ref().ok()?.snapshot.clone()?;
            // It lies on the volume of that server.
            Some(Answered { name: format!("{server}/{}", answered.name), ..answered })
        };
        let of_leader = leader.and_then(|leader| told.get(leader)?.as_ref().ok());
        Self {
            stay,
            hindrance,
            servers: observed.servers.len(),
            leads: leader.and_then(|leader| versions.get(leader).cloned()),
            versions,
            snapshots: told.iter().filter_map(answered).collect(),
            no_snapshot: of_leader.and_then(no_snapshot),
            members: observed
                .peers
                .as_ref()
                .map(|peers| peers.iter().map(|peer| peer.server.clone()).collect()),
            left: those(told, |error| error == LEFT),
            silent: those(told, |error| error != LEFT),
        }
    }
}

/// The servers that tell nothing, for such a reason.
fn those(told: &Told, because: impl Fn(&str) -> bool) -> BTreeSet<ServerName> {
    let of_them =
        |told: &Result<report::Report, String>| told.as_ref().is_err_and(|error| because(error));
    told.iter().filter(|(_, told)| of_them(told)).map(|(server, _)| server.clone()).collect()
}

/// Why the server of this unsealer gives no snapshot.
fn no_snapshot(report: &report::Report) -> Option<String> {
    let Report { waiting, begun, .. } = Report::from(&report.snapshots);
    let earlier = "the unsealer of the server that leads takes none: it may be of an earlier Vaultyard; \
                   `up` with the former document and the new --image renews it";
    waiting.map(|waiting| waiting.reason).or_else(|| (!begun).then(|| earlier.to_owned()))
}
