//! Keeps every object as it is declared: whatever somebody else changes is put back at once.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream::{SelectAll, StreamExt};
use serde_json::Value;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::Object;
use vaultyard_target_kubernetes::Reference;
use vaultyard_target_kubernetes::apply::{Applied, ApplyError, Options, Owner};

use super::MANAGER;
use crate::failure::{Failure, failed};
use crate::faults;
use crate::kubernetes::leading::Post;

/// The pause after a try that failed.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// One object and where it stands.
struct Kept {
    object: Object,
    reference: Reference,
    /// What of it was there after the last look.
    seen: Option<Seen>,
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

/// Applies all, and each again whenever it was changed.
pub(super) async fn keep(
    post: &Post,
    cluster: &Cluster,
    workload: Vec<Object>,
    drift: &watch::Sender<Option<String>>,
) -> Result<Infallible, Failure> {
    let kept = |object: Object| {
        let reference = Reference::try_from(&object).map_err(failed)?;
        Ok(Kept { object, reference, seen: None })
    };
    let all = workload.into_iter().map(kept);
    let mut all = all.collect::<Result<Vec<_>, Failure>>()?;
    for kept in &all {
        settle(post, cluster, kept).await;
    }
    let watched = |(index, kept): (usize, &Kept)| {
        let changes =
            vaultyard_target_kubernetes::watch::watch(post.api.clone(), kept.reference.clone());
        Box::pin(changes.map(move |change| (index, change)))
    };
    let mut changes: SelectAll<_> = all.iter().enumerate().map(watched).collect();
    loop {
        let Some((index, change)) = changes.next().await else {
            return std::future::pending().await;
        };
        let now = match change {
            Ok(now) => now.as_ref().map(Seen::of),
            Err(error) => {
                warn!("{error}");
                continue;
            }
        };
        let Some(kept) = all.get_mut(index) else { continue };
        if now.is_some() && now == kept.seen {
            continue;
        }
        kept.seen = now;
        if let Some(what) = settle(post, cluster, kept).await {
            warn!("{what}");
            drift.send_replace(Some(what));
        }
    }
}

/// Applies one object until that succeeds. What had to be put back, in words.
async fn settle(post: &Post, cluster: &Cluster, kept: &Kept) -> Option<String> {
    let owner = Owner::Cluster(cluster.name.as_str());
    // Nobody else has a say in these fields, so they are taken from whoever wrote them.
    let options = Options { manager: MANAGER, force: true, dry_run: false, owner };
    loop {
        let applied = post.api.apply(&kept.reference, &kept.object.body, options).await;
        let reference = &kept.reference;
        match applied {
            Ok(applied) => {
                post.hindrance.set(None);
                if applied != Applied::Unchanged {
                    faults::hook().reached(&format!("cluster/{}/after", reference.kind().kind));
                }
                return match applied {
                    Applied::Unchanged => None,
                    Applied::Created => {
                        info!("created {reference}");
                        Some(format!("{reference} was missing and was created again"))
                    }
                    Applied::Changed(fields) => {
                        info!(?fields, "changed {reference}");
                        let fields = fields.join(", ");
                        Some(format!(
                            "{reference} was changed by somebody else ({fields}) and was put back"
                        ))
                    }
                };
            }
            Err(error) => {
                let why = error.to_string();
                post.hindrance.set(Some(why));
                tokio::time::sleep(pause(&error)).await;
            }
        }
    }
}

fn pause(error: &ApplyError) -> Duration {
    match error {
        ApplyError::Api(error) => error.again_after().unwrap_or(TRY_AGAIN).max(TRY_AGAIN),
        _ => TRY_AGAIN,
    }
}
