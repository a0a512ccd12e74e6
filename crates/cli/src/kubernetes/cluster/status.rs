//! Looks at a cluster again and again, and writes its status into the `VaultCluster`: from what the
//! unsealers tell, from how the pods are and from the Lease of the certificates controller.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream::StreamExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use vaultyard_engine::keeping::Report;
use vaultyard_model::Cluster;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::keeper::Waiting;
use vaultyard_model::status::Phase;
use vaultyard_plan::history::History;
use vaultyard_target_kubernetes::ApiError;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::event::Recorder;

use super::compose::{self, Sources};
use super::operations::Operations;
use super::rolling::{self, Rolling};
use super::scene::{self, Scene};
use super::{MANAGER, Standing, reports};
use crate::failure::{Failure, Kind as Fault};
use crate::kubernetes::leading::Post;
use crate::kubernetes::sites;
use crate::system::SystemClock;

mod written;

use written::Written;

/// Between two looks while all is well, and while something changes.
const CALM: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(200);
/// How long the first status waits until everything that is watched was seen once, and then until it is
/// known which servers are as declared.
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
pub(super) struct Beside<'a> {
    /// Whether a person wants the cluster at rest.
    pub(super) stopped: bool,
    /// Why what is declared is not followed.
    pub(super) refused: Option<&'a str>,
    /// What was put back last.
    pub(super) drift: &'a watch::Sender<Option<String>>,
    /// The generation in which the StatefulSet of the servers is what is declared.
    pub(super) servers: &'a watch::Sender<Option<i64>>,
    /// Where news are told too.
    pub(super) events: &'a Recorder,
}

/// Looks, has servers follow what is declared, and writes, until it is dropped.
pub(super) async fn keep(
    post: &Post,
    cluster: &Cluster,
    object: &ClusterObject,
    declared: &Value,
    standing: Standing,
    beside: Beside<'_>,
) -> Result<Infallible, Failure> {
    let (rolling, work) = rolling::begin(post, cluster, object, declared, standing);
    let stands = cluster.standing(standing.servers);
    tokio::select! {
        () = work => Err(Failure::text(Fault::Failed, "the rollout ended: this is a fault of Vaultyard")),
        failure = look(post, &stands, object, declared, beside, &rolling) => failure,
    }
}

async fn look(
    post: &Post,
    cluster: &Cluster,
    object: &ClusterObject,
    declared: &Value,
    beside: Beside<'_>,
    rolling: &Rolling,
) -> Result<Infallible, Failure> {
    let began = Instant::now();
    let mut scene = Scene::new(post, cluster)?;
    let served = ["Ready", "Degraded", "Upgrading"].map(Value::from);
    let mut history =
        History { in_service: served.contains(&declared["status"]["phase"]), ..History::default() };
    let mut written = Written::new(declared);
    let mut operations = Operations::new(declared);
    let mut workloads = scene::workloads(&post.api, &post.names, &scene);
    timeout(FIRST_LOOK, scene.look_once(&mut workloads)).await.ok();
    let until = Instant::now() + FIRST_LOOK;
    loop {
        let told = reports::all(scene.addresses()).await;
        operations.write(object, &told).await;
        let seen = scene.observed(&told, began.elapsed());
        let quorum = usize::from(cluster.servers.replicas.quorum());
        history = history.after(&seen, quorum);
        let keys = compose::custody(&told, &seen).waiting.map(|lost| lost.reason);
        // Servers at rest are asked to follow nothing.
        let pods = (!beside.stopped).then(|| scene.standing(*beside.servers.borrow())).flatten();
        rolling.look(&told, &seen, pods, keys);
        let rollout = rolling.report();
        let known = beside.stopped || rollout.as_ref().is_some_and(|report| report.begun);
        let mut pause = BUSY;
        // A status that does not know yet whether servers follow would say too much.
        if known || Instant::now() > until {
            let status = compose::status(Sources {
                cluster,
                url: sites::url(&post.names),
                scene: &scene,
                told: &told,
                seen: &seen,
                history: &history,
                rollout: (!beside.stopped).then(|| rollout.unwrap_or_else(|| not_known(post))),
                hindrance: post.hindrance.get(),
                beside,
            });
            history = history.after_phase(status.phase, false);
            let now = SystemClock.now();
            if let Some(news) = written.write(object, &status, now).await {
                beside.events.tell(news.severity, &news.reason, &news.message, now).await;
            }
            if status.phase == Phase::Ready {
                pause = CALM;
            }
        }
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

/// While nobody knows which servers are as declared. Where the objects cannot be kept, that says more.
fn not_known(post: &Post) -> Report {
    let reason = "it is not known yet which servers are as declared".to_owned();
    let waiting = Some(Waiting { reason, stuck: post.hindrance.get().is_some() });
    Report { waiting, begun: true, ..Report::default() }
}
