//! `vaultyard plan --target kubernetes`: what `apply` would change, found out by the API server's own
//! rehearsal of every object, with nothing written. [`rehearse`] asks, [`Proposal`] is what came out,
//! [`picture`] shows it.

pub(super) mod picture;
mod proposal;
mod rehearse;

use std::process::ExitCode;

use vaultyard_manifest::KIND;
use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::{Names, Release, workload};
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::{Api, ApiError, Reason};

use self::proposal::Proposal;
use super::{check, declared, install, reach};
use crate::arguments::{Common, Plan as Arguments};
use crate::document::Document;
use crate::failure::{Failure, failed};
use crate::progress::Progress;
use crate::{output, system};

/// Shows what would change.
pub(crate) async fn run(common: &Common, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let document = check::document(arguments.file.as_deref())?;
    let release = install::release(&arguments.images)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let api = reach::api(&common.kubernetes).await?;
    let proposal = propose(&api, &document, &release, arguments.adopt, true, &progress).await;
    progress.end();
    let proposal = proposal?;
    output::print(arguments.output.output, &proposal, picture::of)?;
    Ok(arguments.exit_code(!proposal.is_empty()))
}

/// Finds out what would change; refuses what could not succeed, as `up` does.
pub(super) async fn propose(
    api: &Api,
    document: &Document,
    release: &Release,
    adopt: bool,
    snapshot: bool,
    progress: &Progress,
) -> Result<Proposal, Failure> {
    progress.waiting("comparing with what stands there");
    let installation = install::objects(document, release)?;
    let cluster = &document.cluster;
    // The cluster controller writes the document as it reads it from the VaultCluster.
    let declared = installation.iter().find(|object| object.kind == KIND);
    let text = declared.map(|object| declared::text(&object.body)).unwrap_or_default();
    let workload = workload(cluster, release, &text);
    let plan = check::Plan { cluster, installation: &installation, workload: &workload, adopt };
    let notes = check::before_up(api, &plan).await?;
    let changes = rehearse::all(api, &plan).await?;
    let under_way = under_way(api, cluster).await?;
    let followed = check::followed(api, cluster).await?;
    let followed = followed.as_ref().map(|document| &document.cluster);
    Ok(Proposal { under_way, ..Proposal::of(cluster, followed, snapshot, changes, notes) })
}

/// How far the servers have followed what was declared before, when they do not follow all of it.
async fn under_way(api: &Api, cluster: &Cluster) -> Result<Option<String>, Failure> {
    let object = ClusterObject::new(api.clone(), &Names::of(cluster));
    let status = match object.read().await {
        Ok(object) => object.as_ref().and_then(reach::status),
        // There is no cluster yet.
        Err(ApiError {
            reason: Reason::UnknownKind { .. } | Reason::NoNamespace { .. }, ..
        }) => None,
        Err(error) => return Err(failed(error)),
    };
    Ok(status.and_then(|status| Some(status.under_way()?.message.clone())))
}
