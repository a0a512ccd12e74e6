//! Keeps every object as it is declared: whatever somebody else changes is put back at once.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream::{SelectAll, StreamExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};
use vaultyard_model::Cluster;
use vaultyard_model::port::clock::Clock;
use vaultyard_render::kubernetes::Object;
use vaultyard_target_kubernetes::apply::{Applied, ApplyError, Options, Owner};
use vaultyard_target_kubernetes::event::{Recorder, Severity};
use vaultyard_target_kubernetes::kind::STATEFUL_SET;
use vaultyard_target_kubernetes::{ApiError, Reference};

use super::MANAGER;
use crate::failure::{Failure, failed};
use crate::faults;
use crate::kubernetes::leading::Post;
use crate::system::SystemClock;

/// The pause after a try that failed.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// One object and where it stands.
struct Kept {
    object: Object,
    reference: Reference,
    /// What of it was there after the last look.
    seen: Option<Seen>,
    /// Why it could not be applied, and when that is tried again.
    failed: Option<(String, Instant)>,
}

/// What changes when somebody changes an object, and not when its own status does.
#[derive(PartialEq)]
struct Seen {
    version: Value,
    labels: Value,
    annotations: Value,
}

impl Seen {
    fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        // What has no status has no generation either.
        let generation = &metadata["generation"];
        let version = if generation.is_null() { &metadata["resourceVersion"] } else { generation };
        Self {
            version: version.clone(),
            labels: metadata["labels"].clone(),
            annotations: metadata["annotations"].clone(),
        }
    }
}

/// Where it is told what became of the objects.
#[derive(Clone, Copy)]
pub(super) struct Outcomes<'a> {
    /// What was put back last, for the status.
    pub(super) drift: &'a watch::Sender<Option<String>>,
    /// The same, for `kubectl describe`.
    pub(super) events: &'a Recorder,
    /// The generation of the StatefulSet that is as it is declared; `None` before there is one.
    pub(super) servers: &'a watch::Sender<Option<i64>>,
}

/// Applies all, and each again whenever it was changed. One that cannot be applied keeps none of the
/// others waiting.
pub(super) async fn keep(
    post: &Post,
    cluster: &Cluster,
    workload: Vec<Object>,
    outcomes: Outcomes<'_>,
) -> Result<Infallible, Failure> {
    let kept = |object: Object| {
        let reference = Reference::try_from(&object).map_err(failed)?;
        Ok(Kept { object, reference, seen: None, failed: None })
    };
    let all = workload.into_iter().map(kept);
    let mut all = all.collect::<Result<Vec<_>, Failure>>()?;
    for kept in &mut all {
        settle(post, cluster, kept, outcomes.servers).await;
    }
    let watched = |(index, kept): (usize, &Kept)| {
        let changes =
            vaultyard_target_kubernetes::watch::watch(post.api.clone(), kept.reference.clone());
        Box::pin(changes.map(move |change| (index, change)))
    };
    let mut changes: SelectAll<_> = all.iter().enumerate().map(watched).collect();
    loop {
        let failed = || all.iter().filter_map(|kept| kept.failed.as_ref());
        post.hindrance.set(failed().next().map(|(why, _)| why.clone()));
        let again = failed().map(|(_, again)| *again).min();
        let due = tokio::select! {
            Some((index, change)) = changes.next() => changed(&mut all, index, change),
            () = until(again) => {
                all.iter_mut().find(|kept| kept.failed.as_ref().map(|(_, at)| *at) == again)
            }
        };
        let Some(kept) = due else { continue };
        if let Some(what) = settle(post, cluster, kept, outcomes.servers).await {
            warn!("{what}");
            post.corrected.inc();
            let (severity, now) = (Severity::Warning, SystemClock.now());
            outcomes.events.tell(severity, "DriftCorrected", &what, now).await;
            outcomes.drift.send_replace(Some(what));
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The object, when it is not as it was after the last look.
fn changed(
    all: &mut [Kept],
    index: usize,
    change: Result<Option<Value>, ApiError>,
) -> Option<&mut Kept> {
    let kept = all.get_mut(index)?;
    let now = match change {
        Ok(now) => now.as_ref().map(Seen::of),
        Err(error) => {
            warn!("{error}");
            return None;
        }
    };
    if now.is_some() && now == kept.seen {
        return None;
    }
    kept.seen = now;
    Some(kept)
}

/// Applies one object. What had to be put back, in words.
async fn settle(
    post: &Post,
    cluster: &Cluster,
    kept: &mut Kept,
    servers: &watch::Sender<Option<i64>>,
) -> Option<String> {
    let owner = Owner::Cluster(cluster.name.as_str());
    // Nobody else has a say in these fields, so they are taken from whoever wrote them.
    let options = Options { manager: MANAGER, force: true, dry_run: false, owner };
    let reference = &kept.reference;
    let applied = post.api.apply_and_see(reference, &kept.object.body, options).await;
    let (applied, object) = match applied {
        Ok(applied) => applied,
        Err(error) => {
            kept.failed = Some((error.to_string(), Instant::now() + pause(&error)));
            return None;
        }
    };
    kept.failed = None;
    if reference.kind() == STATEFUL_SET {
        servers.send_replace(object["metadata"]["generation"].as_i64());
    }
    if applied != Applied::Unchanged {
        faults::hook().reached(&format!("cluster/{}/after", reference.kind().kind));
    }
    match applied {
        Applied::Unchanged => None,
        Applied::Created => {
            info!("created {reference}");
            Some(format!("{reference} was missing and was created again"))
        }
        Applied::Changed(fields) => {
            info!(?fields, "changed {reference}");
            let fields = fields.join(", ");
            Some(format!("{reference} was changed by somebody else ({fields}) and was put back"))
        }
    }
}

fn pause(error: &ApplyError) -> Duration {
    match error {
        ApplyError::Api(error) => error.again_after().unwrap_or(TRY_AGAIN).max(TRY_AGAIN),
        _ => TRY_AGAIN,
    }
}
