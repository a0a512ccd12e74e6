//! Replaces the pods of servers, one at a time, by evicting them: the StatefulSet makes each anew as it
//! is declared. Before a pod goes its unsealer hands over what it leads, while the proxies hold requests.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;
use vaultyard_engine::keeping::{self, Report};
use vaultyard_engine::rollout::Roller;
use vaultyard_model::observed::{Observed, ServerSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::rollout::{Rollout, Stale, Standing, VersionChange};
use vaultyard_model::{Cluster, ServerName, Version};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::{Api, Reference};

use super::MANAGER;
use super::reports::Told;
use super::revisions::Outdated;
use crate::kubernetes::leading::Post;
use crate::kubernetes::snapshots::{ASKED, Answered};
use crate::kubernetes::version_change;
use crate::system::SystemClock;

/// How long the server that leads may take for a snapshot.
const SNAPSHOT: Duration = Duration::from_secs(60);

/// What one look tells of the pods.
#[derive(Debug, Clone, PartialEq)]
struct Pods {
    /// Those that are not as they would be made now.
    outdated: BTreeMap<ServerName, Outdated>,
    /// Why none may go now.
    hindrance: Option<String>,
    /// What servers run, and what the one that leads does.
    versions: BTreeMap<ServerName, Version>,
    leads: Option<Version>,
    /// The snapshots that were asked for, and why none can be taken.
    snapshots: Vec<Answered>,
    no_snapshot: Option<String>,
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
) -> (Rolling, impl Future<Output = ()> + use<>) {
    let (observed, looks) = watch::channel(None);
    let (pods, of_pods) = watch::channel(None);
    let (publish, report) = watch::channel(Report::default());
    let port = PodRollout {
        api: post.api.clone(),
        names: post.names.clone(),
        version: cluster.servers.version.clone(),
        generation: declared["metadata"]["generation"].as_u64().unwrap_or_default(),
        pods: of_pods.clone(),
        object: object.clone(),
        change: Mutex::new(version_change::read(declared)),
    };
    let roller = Box::new(Roller::new(Arc::new(port), looks));
    let (clock, never) = (Arc::new(SystemClock), watch::channel(false).1);
    let work = keeping::keep("rollout", roller, of_pods, publish, clock, never);
    (Rolling { observed, pods, report }, work)
}

impl Rolling {
    /// Tells what a look has brought. What is not known of the pods any more is held to be as it was,
    /// and none of them goes.
    pub(super) fn look(
        &self,
        told: &Told,
        observed: &Observed,
        outdated: Option<BTreeMap<ServerName, Outdated>>,
        hindrance: Option<String>,
    ) {
        // Whoever reads of the pods first, and then this, knows of a pod that goes no earlier than that
        // it is not to be counted on.
        self.observed.send_replace(Some(observed.clone()));
        self.pods.send_if_modified(|last| {
            let before = last.as_ref().map(|last| last.outdated.clone());
            let put_back = || "the StatefulSet is not as it is declared".to_owned();
            let hindrance = if outdated.is_some() { hindrance } else { Some(put_back()) };
            let next = outdated.or(before).map(|it| Pods::of(told, observed, it, hindrance));
            let news = *last != next;
            *last = next;
            news
        });
    }

    /// How far it is; `None` before that is known.
    pub(super) fn report(&self) -> Option<Report> {
        let report = self.report.borrow().clone();
        (report.begun && self.pods.borrow().is_some()).then_some(report)
    }
}

impl Pods {
    fn of(
        told: &Told,
        observed: &Observed,
        outdated: BTreeMap<ServerName, Outdated>,
        hindrance: Option<String>,
    ) -> Self {
        let version = |seen: &ServerSeen| seen.health.as_ref().ok()?.version.clone();
        let versions = observed.servers.iter();
        let versions: BTreeMap<_, _> =
            versions.filter_map(|(server, seen)| Some((server.clone(), version(seen)?))).collect();
        let leader = observed.leader();
        let reports = || told.values().flatten();
        let of_leader = leader.and_then(|leader| told.get(leader)?.as_ref().ok());
        Self {
            outdated,
            hindrance,
            leads: leader.and_then(|leader| versions.get(leader).cloned()),
            versions,
            snapshots: reports().filter_map(|report| report.snapshot.clone()).collect(),
            no_snapshot: of_leader
                .and_then(|report| Report::from(&report.snapshots).waiting)
                .map(|waiting| waiting.reason),
        }
    }
}

struct PodRollout {
    api: Api,
    names: Names,
    version: Version,
    generation: u64,
    pods: watch::Receiver<Option<Pods>>,
    /// Where changes of version are kept.
    object: ClusterObject,
    /// The one that is under way, or was the last.
    change: Mutex<Option<VersionChange>>,
}

impl PodRollout {
    fn pods(&self, what: &str) -> Result<Pods, HostError> {
        let not_seen = || refused(what, "they are not all known yet");
        self.pods.borrow().clone().ok_or_else(not_seen)
    }

    /// The change to the version that is declared, if there was one.
    fn change(&self) -> Option<VersionChange> {
        let change = self.change.lock().unwrap_or_else(PoisonError::into_inner).clone();
        change.filter(|change| change.towards == self.version)
    }

    async fn keep(&self, what: &str, change: VersionChange) -> Result<(), HostError> {
        let status = json!({version_change::FIELD: version_change::write(&change), ASKED: null});
        let kept = self.object.patch_status(MANAGER, &status).await;
        kept.map_err(|error| refused(what, &error.to_string()))?;
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
        Ok(())
    }

    /// From here on only the snapshot leads back.
    async fn note_led(&self) -> Result<(), HostError> {
        match self.change().filter(|change| !change.led) {
            Some(change) => {
                let led = VersionChange { led: true, ..change };
                self.keep("note that the new version leads", led).await
            }
            None => Ok(()),
        }
    }

    /// What the server that leads answers to this question for a snapshot.
    async fn answer(&self, asked: &str) -> Option<Answered> {
        let find = |pods: &Option<Pods>| {
            let mut answers = pods.iter().flat_map(|pods| &pods.snapshots);
            answers.find(|answer| answer.asked == asked).cloned()
        };
        let mut pods = self.pods.clone();
        let answered = timeout(SNAPSHOT, pods.wait_for(|pods| find(pods).is_some())).await;
        find(&*answered.ok()?.ok()?)
    }
}

#[async_trait]
impl Rollout for PodRollout {
    async fn standing(&self) -> Result<Standing, HostError> {
        let pods = self.pods("tell which pods are as declared")?;
        if pods.leads.as_ref() == Some(&self.version) {
            self.note_led().await?;
        }
        let others = pods.outdated.values().filter(|pod| pod.other_image).count();
        let begun = others < pods.versions.len();
        let kind = |pod: Outdated| match pod.other_image {
            true => Stale::Version,
            false => Stale::Configuration,
        };
        Ok(Standing {
            generation: self.generation,
            version: self.version.clone(),
            snapshot: self.change().is_some_and(|it| it.covers(begun, SystemClock.now())),
            stale: pods.outdated.into_iter().map(|(server, pod)| (server, kind(pod))).collect(),
            hindrance: pods.hindrance,
        })
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        const WHAT: &str = "take a snapshot before servers change";
        let pods = self.pods(WHAT)?;
        let asked = SystemClock.now().to_string();
        let question = self.object.patch_status(MANAGER, &json!({ASKED: asked})).await;
        question.map_err(|error| refused(WHAT, &error.to_string()))?;
        let Some(Answered { name, taken, .. }) = self.answer(&asked).await else {
            let why = self.pods(WHAT)?.no_snapshot;
            let late = || format!("the server that leads gave none within {SNAPSHOT:?}");
            return Err(refused(WHAT, &why.unwrap_or_else(late)));
        };
        info!(snapshot = %name, "the change is bound to this snapshot");
        let from = pods.versions.into_values().filter(|version| *version != self.version);
        let (from, towards) = (from.collect(), self.version.clone());
        self.keep(WHAT, VersionChange { from, towards, snapshot: name, taken, led: false }).await
    }

    /// Whether it leads is for the unsealer to see when it goes: by then another one may.
    async fn replace(
        &self,
        server: &ServerName,
        leads: bool,
        _: &Version,
    ) -> Result<(), HostError> {
        let what = format!("replace {server}");
        let pods = self.pods(&what)?;
        let pod = pods.outdated.get(server).ok_or_else(|| refused(&what, "it goes already"))?;
        if leads {
            self.note_led().await?;
        }
        let object = Reference::within(POD, self.names.namespace(), server.as_str());
        self.api.evict(&object, &pod.uid).await.map_err(|error| refused(&what, &error.to_string()))
    }

    /// What a pod was made of is told by its StatefulSet.
    async fn note_well(&self, _: &ServerName) -> Result<(), HostError> {
        Ok(())
    }
}

fn refused(what: &str, why: &str) -> HostError {
    HostError { what: what.to_owned(), why: why.to_owned() }
}
