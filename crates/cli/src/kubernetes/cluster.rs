//! `vaultyard controller cluster`: the objects of a cluster as its `VaultCluster` declares them, and
//! its status.

mod objects;
mod reports;
mod status;

use std::convert::Infallible;
use std::process::ExitCode;

use serde_json::Value;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_render::kubernetes::labels::Component;
use vaultyard_render::kubernetes::{Release, at_rest, workload};
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::declared::{self, Changes};
use super::leading::{self, Post};
use super::pod;
use crate::document::Document;
use crate::failure::{Failure, failed};

/// Who owns what this controller writes.
pub(super) const MANAGER: &str = "vaultyard-cluster-controller";

/// Keeps the cluster until it is told to stop.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    leading::run(Component::ClusterController, |post| async move {
        match work(&post).await {
            Err(failure) => failure,
            Ok(never) => match never {},
        }
    })
    .await
}

async fn work(post: &Post) -> Result<Infallible, Failure> {
    let release = Release {
        vaultyard: pod::variable("VAULTYARD_IMAGE")?,
        server: pod::variable("VAULTYARD_SERVER_IMAGE")?,
    };
    let object = ClusterObject::new(post.api.clone(), &post.names);
    let mut changes: Changes = Box::pin(object.watch());
    let mut now = declared::next(&mut changes, None).await?;
    let mut followed: Option<Document> = None;
    loop {
        let wanted = match &now {
            None => None,
            Some(object) => Some(Wanted::by(object, post, &mut followed).await?),
        };
        now = tokio::select! {
            failure = keep(post, &release, &object, wanted.as_ref()) => return failure,
            other = declared::next(&mut changes, now.as_ref()) => other?,
        };
    }
}

/// What a `VaultCluster` comes to.
struct Wanted<'a> {
    declared: &'a Value,
    /// What is kept: what is declared, or what was before when that is refused.
    document: Option<Document>,
    /// Why what is declared is not followed.
    refused: Option<String>,
}

impl<'a> Wanted<'a> {
    /// `followed` is what was kept last.
    async fn by(
        declared: &'a Value,
        post: &Post,
        followed: &mut Option<Document>,
    ) -> Result<Self, Failure> {
        if followed.is_none() {
            // Another controller may have followed an earlier one.
            *followed = declared::followed(&post.api, &post.names).await.map_err(failed)?;
        }
        let refused = match declared::read(declared, &post.names) {
            Ok(document) => match cannot_follow(followed.as_ref(), &document) {
                None => {
                    *followed = Some(document);
                    None
                }
                refused => refused,
            },
            Err(failure) => Some(failure.message().to_owned()),
        };
        Ok(Self { declared, document: followed.clone(), refused })
    }
}

/// Why a cluster that follows one document cannot follow another.
fn cannot_follow(followed: Option<&Document>, document: &Document) -> Option<String> {
    let faults = declared::unfollowed(&followed?.cluster, &document.cluster);
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// Keeps what is wanted, until it is dropped.
async fn keep(
    post: &Post,
    release: &Release,
    object: &ClusterObject,
    wanted: Option<&Wanted<'_>>,
) -> Result<Infallible, Failure> {
    let Some(Wanted { declared, document, refused }) = wanted else {
        post.hindrance.set(None);
        info!("there is no VaultCluster: nothing is changed until there is one");
        return std::future::pending().await;
    };
    if let Some(why) = refused {
        warn!("not followed: {why}");
    }
    let Some(Document { cluster, text, .. }) = document else {
        let why = refused.clone().unwrap_or_default();
        status::refused(object, declared, &why).await.map_err(failed)?;
        post.hindrance.set(Some(why));
        return std::future::pending().await;
    };
    let stopped = declared::is_stopped(declared);
    let working = workload(cluster, release, text);
    let objects = if stopped { at_rest(working) } else { working };
    let drift = watch::channel(None).0;
    let told = status::Told { stopped, refused: refused.as_deref(), drift: &drift };
    tokio::select! {
        never = objects::keep(post, cluster, objects, &drift) => match never? {},
        failure = status::keep(post, cluster, object, declared, told) => failure,
    }
}
