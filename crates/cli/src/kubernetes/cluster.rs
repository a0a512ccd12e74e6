//! `vaultyard controller cluster`: the objects of a cluster as its `VaultCluster` declares them, and
//! its status.

mod certificates;
mod compose;
mod objects;
mod operations;
mod reports;
mod revisions;
mod rolling;
mod scene;
mod status;

use std::convert::Infallible;
use std::process::ExitCode;

use serde_json::Value;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_render::kubernetes::labels::Component;
use vaultyard_render::kubernetes::{Release, at_rest, workload_of};
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::event::Recorder;

use super::declared::{self, Changes, Followed};
use super::leading::{self, Post};
use super::{pod, standing};
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
    let mut followed = Followed::default();
    let mut before: Option<Stands> = None;
    loop {
        followed.look(&post.api, &post.names, now.as_ref()).await.map_err(failed)?;
        let mut stands = None;
        if let (Some(now), Some(Document { cluster, .. })) = (&mut now, &followed.document) {
            let Post { api, names, .. } = post;
            let settled = standing::settle(api, names, &object, now, cluster, MANAGER).await;
            let servers = settled.map_err(failed)?;
            standing::note(now, servers);
            let runs = servers + u8::from(standing::coming(now, cluster).is_some());
            stands = Some((now["metadata"]["generation"].clone(), servers, runs));
        }
        let standing = Standing::after(before.as_ref(), stands.as_ref());
        now = tokio::select! {
            failure = keep(post, &release, &object, now.as_ref(), standing, &followed) => return failure,
            other = declared::next(&mut changes, now.as_ref()) => other?,
        };
        before = stands;
    }
}

/// Of which document, and how many stand and have a pod.
type Stands = (Value, u8, u8);

/// The servers that stand.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// How many.
    servers: u8,
    /// How many have a pod: one more while one comes.
    runs: u8,
    /// Whether these were other numbers a moment ago, by the same document.
    resumes: bool,
}

impl Standing {
    /// After generation and numbers were these.
    fn after(before: Option<&Stands>, now: Option<&Stands>) -> Self {
        let Some((generation, servers, runs)) = now else { return Self::default() };
        let resumes = before.is_some_and(|before| before.0 == *generation && Some(before) != now);
        Self { servers: *servers, runs: *runs, resumes }
    }
}

/// Keeps what is wanted, until it is dropped.
async fn keep(
    post: &Post,
    release: &Release,
    object: &ClusterObject,
    declared: Option<&Value>,
    standing: Standing,
    Followed { document, refused }: &Followed,
) -> Result<Infallible, Failure> {
    let Some(declared) = declared else {
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
    let working = workload_of(cluster, standing.servers, standing.runs, release, text);
    let objects = if stopped { at_rest(working) } else { working };
    let (drift, servers) = (watch::channel(None).0, watch::channel(None).0);
    let events = Recorder::new(post.api.clone(), MANAGER, declared, post.names.events());
    let outcomes = objects::Outcomes { drift: &drift, events: &events, servers: &servers };
    let beside = status::Beside {
        stopped,
        refused: refused.as_deref(),
        drift: &drift,
        servers: &servers,
        events: &events,
    };
    tokio::select! {
        never = objects::keep(post, cluster, objects, outcomes) => match never? {},
        failure = status::keep(post, cluster, object, declared, standing, beside) => failure,
    }
}
