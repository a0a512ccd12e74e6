//! `vaultyard plan --target kubernetes`: what `apply` would change, found out by the API server's own
//! rehearsal of every object, with nothing written. [`rehearse`] asks, [`Proposal`] is what came out,
//! [`picture`] shows it.

pub(super) mod picture;
mod proposal;
mod rehearse;

use std::process::ExitCode;

use vaultyard_manifest::KIND;
use vaultyard_render::kubernetes::{Release, workload};
use vaultyard_target_kubernetes::Api;

use self::proposal::Proposal;
use super::{check, declared, install, reach};
use crate::arguments::{Common, Plan as Arguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{output, system};

/// Shows what would change.
pub(crate) async fn run(common: &Common, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let document = check::document(arguments.file.as_deref())?;
    let release = install::release(&arguments.images)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let api = reach::api(&common.kubernetes).await?;
    let proposal = propose(&api, &document, &release, arguments.adopt, &progress).await;
    progress.end();
    let proposal = proposal?;
    output::print(arguments.output.output, &proposal, picture::of)?;
    Ok(arguments.exit_code(!proposal.changes.is_empty()))
}

/// Finds out what would change; refuses what could not succeed, as `up` does.
pub(super) async fn propose(
    api: &Api,
    document: &Document,
    release: &Release,
    adopt: bool,
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
    Ok(Proposal::of(cluster, changes, notes))
}
