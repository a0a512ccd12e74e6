//! `vaultyard controller cluster`: the objects of a cluster as its `VaultCluster` declares them, and
//! its status.

mod objects;
mod reports;
mod status;

use std::convert::Infallible;
use std::process::ExitCode;

use serde_json::Value;
use tokio::sync::watch;
use tracing::info;
use vaultyard_render::kubernetes::Release;
use vaultyard_render::kubernetes::labels::Component;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::declared::{self, Changes};
use super::leading::{self, Post};
use super::pod;
use crate::document::Document;
use crate::failure::{Failure, failed};

/// Who owns what this controller writes.
const MANAGER: &str = "vaultyard-cluster-controller";

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
    loop {
        now = tokio::select! {
            failure = keep(post, &release, &object, now.as_ref()) => return failure,
            other = declared::next(&mut changes, now.as_ref()) => other?,
        };
    }
}

/// Keeps what is declared, until it is dropped.
async fn keep(
    post: &Post,
    release: &Release,
    object: &ClusterObject,
    declared: Option<&Value>,
) -> Result<Infallible, Failure> {
    let Some(declared) = declared else {
        post.hindered(None);
        info!("there is no VaultCluster: nothing is changed until there is one");
        return std::future::pending().await;
    };
    let document = match declared::read(declared, &post.names) {
        Ok(document) => document,
        Err(failure) => {
            status::refused(object, failure.message()).await.map_err(failed)?;
            post.hindered(Some(failure.message().to_owned()));
            return std::future::pending().await;
        }
    };
    info!("{}", document.headline());
    let Document { cluster, text, .. } = document;
    let hindrance = watch::channel(None).0;
    let drift = watch::channel(None).0;
    tokio::select! {
        never = objects::keep(post, &cluster, release, &text, &hindrance, &drift) => match never? {},
        failure = status::keep(post, &cluster, object, declared, &hindrance, &drift) => failure,
    }
}
