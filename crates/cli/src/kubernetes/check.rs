//! Whether `up` could begin: what can be known before anything is written. [`Facts`] are looked at
//! (I/O), [`findings`] say what is in the way (pure), and `check` prints both.

mod facts;
mod finding;
mod findings;
mod needs;
mod observe;
mod picture;

use std::process::ExitCode;

use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Keys, Store};
use vaultyard_render::kubernetes::{Names, Object, Release, workload};
use vaultyard_target_kubernetes::{Api, Reference};

use self::facts::{Seen, Standing};
use self::finding::Finding;
pub(super) use self::observe::{AT_ONCE, followed};
use super::{install, reach};
use crate::arguments::Common;
use crate::document::{self, Document};
use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::{custody, local, output};

/// Everything that will stand there.
pub(super) struct Plan<'a> {
    pub(super) cluster: &'a Cluster,
    /// What a person's `up` writes.
    pub(super) installation: &'a [Object],
    /// What the cluster controller then writes.
    pub(super) workload: &'a [Object],
    /// Whether objects of others are taken over.
    pub(super) adopt: bool,
}

/// `vaultyard check --target kubernetes`
pub(crate) async fn run(
    common: &Common,
    file: Option<&std::path::Path>,
) -> Result<ExitCode, Failure> {
    let document = document(file)?;
    // Images have no part in what objects are called, nor in the rights that they take.
    let release = Release { vaultyard: String::new(), server: String::new() };
    let installation = install::objects(&document, &release)?;
    let Document { cluster, text, .. } = &document;
    let workload = workload(cluster, &release, text);
    let plan = Plan { cluster, installation: &installation, workload: &workload, adopt: false };
    output::data(format!("document    {}", document.headline()))?;
    let api = reach::api(&common.kubernetes).await?;
    let version = api.version().await.map_err(reach::refused)?;
    output::data(format!("kubernetes  {version} answers at {}", api.address()))?;
    let facts = observe::facts(&api, &plan).await?;
    let findings = findings::of(&plan, &facts);
    output::data(picture::of(&plan, &facts, &findings).trim_end())?;
    refuse(&Names::of(cluster), &findings)?;
    let (keys, snapshots) = (kept_here(&cluster.keys), &cluster.snapshots.store);
    let trial = custody::trial::run(&keys, snapshots).await;
    let works = "it does its part for who runs this; pods are another account to it";
    for (heading, line) in trial.lines(&keys, snapshots, works) {
        output::data(format!("{heading:<11} {line}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What stands for a folder on one machine is a Secret here.
fn kept_here(keys: &Keys) -> Keys {
    let store = match &keys.store {
        Store::Directory { .. } => Store::KubernetesSecret,
        other => other.clone(),
    };
    Keys { store, ..keys.clone() }
}

/// The file that was named, else `./vaultyard.yaml`, else the built-in document.
pub(super) fn document(file: Option<&std::path::Path>) -> Result<Document, Failure> {
    let target = vaultyard_manifest::Target::Kubernetes;
    match local::document::named_or_default(file) {
        Some(path) => document::from_file(&path, target),
        None => document::built_in(target),
    }
}

/// Refuses what cannot succeed, before anything is written. What is in the way and yet lets `up`
/// begin is returned, in sentences.
pub(super) async fn before_up(api: &Api, plan: &Plan<'_>) -> Result<Vec<String>, Failure> {
    let facts = observe::facts(api, plan).await?;
    let findings = findings::of(plan, &facts);
    refuse(&Names::of(plan.cluster), &findings)?;
    Ok(findings.iter().map(Finding::to_string).collect())
}

/// Which of these objects stand there and are this cluster's.
pub(super) async fn ours(
    api: &Api,
    cluster: &Cluster,
    objects: &[Object],
) -> Result<Vec<Reference>, Failure> {
    let seen = observe::standing(api, cluster, objects, false).await?;
    let ours = seen.into_iter().filter(|seen| seen.standing == Standing::Ours);
    Ok(ours.map(|seen| seen.reference).collect())
}

/// Writes our labels on objects of the workload that belong to somebody else, so that the cluster
/// controller takes them over.
pub(super) async fn adopt(api: &Api, plan: &Plan<'_>, progress: &Progress) -> Result<(), Failure> {
    let seen = observe::standing(api, plan.cluster, plan.workload, false).await?;
    for (Seen { reference, standing }, object) in seen.iter().zip(plan.workload) {
        if let Standing::Foreign(whose) = standing {
            install::label(api, reference, object).await.map_err(failed)?;
            progress.done(format!("{reference} is taken over from {whose}"));
        }
    }
    Ok(())
}

fn refuse(names: &Names, findings: &[Finding]) -> Result<(), Failure> {
    let reasons: Vec<_> = findings.iter().filter(|finding| finding.bars()).collect();
    let what = match reasons.as_slice() {
        [] => return Ok(()),
        [one] => one.to_string(),
        several => {
            let lines = several.iter().map(|one| format!("\n  - {one}"));
            format!("{} things are in the way{}", several.len(), lines.collect::<String>())
        }
    };
    let text = format!("{} cannot be brought up: {what}", names.cluster());
    Err(Failure::text(Kind::BadInput, text).hint("nothing was changed"))
}
