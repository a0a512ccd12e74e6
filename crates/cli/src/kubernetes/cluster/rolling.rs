//! Replaces the pods of servers, one at a time, by evicting them: the StatefulSet makes each anew as it
//! is declared. Before a pod goes its unsealer hands over what it leads, while the proxies hold requests.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use vaultyard_model::{Cluster, ServerName, Software, Version};
use vaultyard_plan::versions;
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::{Api, Reference};

use super::MANAGER;
use super::reports::Told;
use super::revisions::Outdated;
use crate::kubernetes::leading::Post;
use crate::kubernetes::report;
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
    /// How many there should be.
    servers: usize,
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
        software: cluster.servers.software,
        version: cluster.servers.version.clone(),
        generation: declared["metadata"]["generation"].as_u64().unwrap_or_default(),
        pods: of_pods.clone(),
        object: object.clone(),
        change: Mutex::new(version_change::read(declared)),
        asked: Mutex::new(declared["status"][ASKED].as_str().map(str::to_owned)),
    };
    let roller = Box::new(Roller::new(Arc::new(port), looks));
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

    /// How far it is; `None` while the pods are not known.
    pub(super) fn report(&self) -> Option<Report> {
        self.pods.borrow().is_some().then(|| self.report.borrow().clone())
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
        let answered = |(server, told): (&ServerName, &Result<report::Report, String>)| {
            let answered = told.as_ref().ok()?.snapshot.clone()?;
            // It lies on the volume of that server.
            Some(Answered { name: format!("{server}/{}", answered.name), ..answered })
        };
        let of_leader = leader.and_then(|leader| told.get(leader)?.as_ref().ok());
        Self {
            outdated,
            hindrance,
            servers: observed.servers.len(),
            leads: leader.and_then(|leader| versions.get(leader).cloned()),
            versions,
            snapshots: told.iter().filter_map(answered).collect(),
            no_snapshot: of_leader.and_then(no_snapshot),
        }
    }
}

/// Why the server of this unsealer gives no snapshot.
fn no_snapshot(report: &report::Report) -> Option<String> {
    let Report { waiting, begun, .. } = Report::from(&report.snapshots);
    let earlier = "the unsealer of the server that leads takes none: it may be of an earlier Vaultyard; \
                   `up` with the former document and the new --image renews it";
    waiting.map(|waiting| waiting.reason).or_else(|| (!begun).then(|| earlier.to_owned()))
}

struct PodRollout {
    api: Api,
    names: Names,
    software: Software,
    version: Version,
    generation: u64,
    pods: watch::Receiver<Option<Pods>>,
    /// Where changes of version are kept.
    object: ClusterObject,
    /// The one that is under way, or was the last.
    change: Mutex<Option<VersionChange>>,
    /// The question for a snapshot that stands in the status.
    asked: Mutex<Option<String>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PodRollout {
    fn pods(&self, what: &str) -> Result<Pods, HostError> {
        let not_seen = || refused(what, "they are not all known yet");
        self.pods.borrow().clone().ok_or_else(not_seen)
    }

    /// The change to the version that is declared, if there was one.
    fn change(&self) -> Option<VersionChange> {
        let change = lock(&self.change).clone();
        change.filter(|change| change.towards == self.version)
    }

    async fn keep(&self, what: &str, change: VersionChange) -> Result<(), HostError> {
        let status = json!({version_change::FIELD: version_change::write(&change), ASKED: null});
        let kept = self.object.patch_status(MANAGER, &status).await;
        kept.map_err(|error| refused(what, &error.to_string()))?;
        *lock(&self.change) = Some(change);
        *lock(&self.asked) = None;
        Ok(())
    }

    /// Asks for a snapshot, unless that is asked already; the question.
    async fn ask(&self, what: &str) -> Result<String, HostError> {
        if let Some(asked) = lock(&self.asked).clone() {
            return Ok(asked);
        }
        let asked = SystemClock.now().to_string();
        let question = self.object.patch_status(MANAGER, &json!({ASKED: asked})).await;
        question.map_err(|error| refused(what, &error.to_string()))?;
        *lock(&self.asked) = Some(asked.clone());
        Ok(asked)
    }

    /// Takes back a question that nobody needs answered any more.
    async fn ask_no_more(&self) -> Result<(), HostError> {
        if lock(&self.asked).is_none() {
            return Ok(());
        }
        let nothing = self.object.patch_status(MANAGER, &json!({ASKED: null})).await;
        nothing.map_err(|error| refused("take back a question", &error.to_string()))?;
        *lock(&self.asked) = None;
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
        let barred =
            pods.leads.and_then(|leads| versions::barred(self.software, &leads, &self.version));
        let others = pods.outdated.values().filter(|pod| pod.other_image).count();
        let begun = others < pods.servers;
        if others == 0 {
            self.ask_no_more().await?;
        }
        let kind = |pod: Outdated| match pod.other_image {
            true => Stale::Version,
            false => Stale::Configuration,
        };
        Ok(Standing {
            generation: self.generation,
            version: self.version.clone(),
            snapshot: self.change().is_some_and(|it| it.covers(begun, SystemClock.now())),
            stale: pods.outdated.into_iter().map(|(server, pod)| (server, kind(pod))).collect(),
            hindrance: pods.hindrance.or(barred),
        })
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        const WHAT: &str = "take a snapshot before servers change";
        let pods = self.pods(WHAT)?;
        let asked = self.ask(WHAT).await?;
        let Some(Answered { name, taken, .. }) = self.answer(&asked).await else {
            let why = self.pods(WHAT)?.no_snapshot;
            let late = || format!("the server that leads gave none within {SNAPSHOT:?}");
            return Err(refused(WHAT, &why.unwrap_or_else(late)));
        };
        info!(snapshot = %name, "the change is bound to this snapshot");
        let from = pods.versions.into_values().filter(|version| *version != self.version);
        let (from, towards) = (from.collect(), self.version.clone());
        // What a server of that version has written once is there.
        let led = self.change().is_some_and(|change| change.led);
        self.keep(WHAT, VersionChange { from, towards, snapshot: name, taken, led }).await
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
