//! Evicts the pods of servers, and has the leader's unsealer take the snapshot before.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::info;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::rollout::{Rollout, Stale, Standing, VersionChange};
use vaultyard_model::{ServerName, Software, Version};
use vaultyard_plan::versions;
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::watch::watch as watch_object;
use vaultyard_target_kubernetes::{Api, ApiError, Reference};

use super::{MANAGER, Pods};
use crate::kubernetes::snapshots::{ASKED, Answered};
use crate::kubernetes::{standing, version_change};
use crate::system::SystemClock;

/// How long a pod that comes may take to get an address, and how long after that it has its name in DNS at the
/// latest, as a rule.
const COMES: Duration = Duration::from_secs(60);
const NAMED: Duration = Duration::from_secs(2);
/// How long a server may take to leave, and after what time one that tells nothing is held to be gone for good:
/// an unsealer that begins anew takes less.
const LEAVES: Duration = Duration::from_secs(60);
const GONE: Duration = Duration::from_secs(20);
/// How long the server that leads may take for a snapshot.
const SNAPSHOT: Duration = Duration::from_secs(60);

/// The pods of the servers, as what replaces them.
pub(super) struct PodRollout {
    pub(super) api: Api,
    pub(super) names: Names,
    pub(super) software: Software,
    /// What is declared, and how often.
    pub(super) version: Version,
    pub(super) servers: BTreeSet<ServerName>,
    /// How many stand, and whether one more comes.
    pub(super) standing: u8,
    pub(super) comes: bool,
    pub(super) generation: u64,
    /// Whether a snapshot comes before another version.
    pub(super) wants_snapshot: bool,
    /// What the last look has told.
    pub(super) pods: watch::Receiver<Option<Pods>>,
    /// Where changes of version are kept.
    pub(super) object: ClusterObject,
    /// The one that is under way, or was the last.
    pub(super) change: Mutex<Option<VersionChange>>,
    /// The question for a snapshot that stands in the status.
    pub(super) asked: Mutex<Option<String>>,
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

    /// Returns when the pod of this server has one.
    async fn has_an_address(&self, server: &ServerName) {
        let pod = Reference::within(POD, self.names.namespace(), server.as_str());
        let mut changes = std::pin::pin!(watch_object(self.api.clone(), pod));
        while let Some(change) = changes.next().await {
            let pod = change.ok().flatten();
            if pod.is_some_and(|pod| pod["status"]["podIP"].is_string()) {
                return;
            }
        }
    }

    /// Whether it is no member any more, and its data is removed or out of reach.
    async fn has_left(&self, server: &ServerName, stands: bool) -> bool {
        let is_out = |pods: &Pods| pods.members.as_ref().is_some_and(|it| !it.contains(server));
        let is_gone = |pods: &Pods| !stands || pods.left.contains(server);
        let mut pods = self.pods.clone();
        let left =
            pods.wait_for(|pods| pods.as_ref().is_some_and(|pods| is_out(pods) && is_gone(pods)));
        if matches!(timeout(LEAVES, left).await, Ok(Ok(_))) {
            return true;
        }
        let mut pods = self.pods.clone();
        let tells = pods.wait_for(|pods| {
            pods.as_ref().is_some_and(|pods| !is_out(pods) || !pods.silent.contains(server))
        });
        timeout(GONE, tells).await.is_err()
    }

    /// Has the server that leads take one.
    async fn answered(&self, what: &str) -> Result<Answered, HostError> {
        let asked = self.ask(what).await?;
        if let Some(answered) = self.answer(&asked).await {
            return Ok(answered);
        }
        let why = self.pods(what)?.no_snapshot;
        let late = || format!("the server that leads gave none within {SNAPSHOT:?}");
        Err(refused(what, &why.unwrap_or_else(late)))
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
        let others = pods.stay.values().filter(|pod| pod.stale == Some(Stale::Version)).count();
        let begun = others < pods.servers;
        if others == 0 {
            self.ask_no_more().await?;
        }
        Ok(Standing {
            generation: self.generation,
            version: self.version.clone(),
            servers: self.servers.clone(),
            snapshot: self
                .change()
                .is_some_and(|it| it.covers(begun, self.wants_snapshot, SystemClock.now())),
            stale: pods.stay.into_iter().filter_map(|(it, pod)| Some((it, pod.stale?))).collect(),
            hindrance: pods.hindrance.or(barred),
        })
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        const WHAT: &str = "take a snapshot before servers change";
        let pods = self.pods(WHAT)?;
        let (snapshot, taken) = if self.wants_snapshot {
            let Answered { name, taken, .. } = self.answered(WHAT).await?;
            info!(snapshot = %name, "the change is bound to this snapshot");
            (Some(name), taken)
        } else {
            info!("no snapshot is wanted before the change");
            (None, SystemClock.now())
        };
        let from = pods.versions.into_values().filter(|version| *version != self.version);
        let (from, towards) = (from.collect(), self.version.clone());
        // What a server of that version has written once is there.
        let led = self.change().is_some_and(|change| change.led);
        self.keep(WHAT, VersionChange { from, towards, snapshot, taken, led }).await
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
        let pod = pods.stay.get(server).ok_or_else(|| refused(&what, "it goes already"))?;
        if leads {
            self.note_led().await?;
        }
        let object = Reference::within(POD, self.names.namespace(), server.as_str());
        self.api.evict(&object, &pod.uid).await.map_err(|error| refused(&what, &error.to_string()))
    }

    /// The StatefulSet gets one more pod as soon as it is noted that it comes; it stands once that has a name.
    async fn add(&self, server: &ServerName) -> Result<(), HostError> {
        let what = format!("add {server}");
        if server.ordinal() != self.standing {
            return Err(refused(&what, "it is not the next one"));
        }
        let status = if self.comes {
            if timeout(COMES, self.has_an_address(server)).await.is_err() {
                return Err(refused(&what, "its pod has no address yet"));
            }
            sleep(NAMED).await;
            standing::stands(self.standing + 1)
        } else {
            standing::comes(server)
        };
        let noted = self.object.patch_status(MANAGER, &status).await;
        noted.map(drop).map_err(|error| refused(&what, &error.to_string()))
    }

    /// The unsealers do it: the leader's takes it out of raft, its own removes its data. One whose pod is gone
    /// for good has no data to be removed.
    async fn remove(&self, server: &ServerName) -> Result<(), HostError> {
        let what = format!("remove {server}");
        let failed = |error: ApiError| refused(&what, &error.to_string());
        let stands = server.ordinal() < self.standing;
        if stands && server.ordinal() + 1 != self.standing {
            return Err(refused(&what, "it is not the last one"));
        }
        let leaves = standing::leaves(server, self.generation);
        self.object.patch_status(MANAGER, &leaves).await.map_err(failed)?;
        // Of one that does not stand only raft knows still.
        if !self.has_left(server, stands).await {
            return Err(refused(&what, "it has not left yet"));
        }
        let stands = standing::stands(server.ordinal().min(self.standing));
        self.object.patch_status(MANAGER, &stands).await.map(drop).map_err(failed)
    }

    /// What a pod was made of is told by its StatefulSet.
    async fn note_well(&self, _: &ServerName) -> Result<(), HostError> {
        Ok(())
    }
}

fn refused(what: &str, why: &str) -> HostError {
    HostError { what: what.to_owned(), why: why.to_owned() }
}
