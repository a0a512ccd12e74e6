//! `vaultyard apply`, `upgrade` and `rollback` with `--target kubernetes`: the plan, a person's word, and then what `up`
//! does.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use vaultyard_manifest::Target;
use vaultyard_model::Version;
use vaultyard_target_kubernetes::Api;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::reach::{self, Found};
use super::up::{self, Wish};
use super::{check, declared, install, plan, version_change};
use crate::arguments::{Apply, Change, Common, Upgrade};
use crate::edit::{self, Edit};
use crate::failure::{Failure, failed};
use crate::progress::Progress;
use crate::rollback::version_before;
use crate::{local, output, system};

/// Shows what would change, asks, and does it.
pub(crate) async fn run(common: &Common, arguments: &Apply) -> Result<ExitCode, Failure> {
    let wish = Wish {
        document: check::document(arguments.file.as_deref())?,
        release: install::release(&arguments.images)?,
        adopt: arguments.adopt,
        snapshot: !arguments.snapshot.without_snapshot,
        timeout: arguments.timeout,
    };
    let api = reach::api(&common.kubernetes).await?;
    carry_out(common, &api, wish, None, arguments.yes).await
}

/// The same with another version in the document, which the file is given once a person has agreed.
pub(crate) async fn upgrade(common: &Common, arguments: &Upgrade) -> Result<ExitCode, Failure> {
    let file = local::document::named_or_default(arguments.change.file.as_deref());
    let (api, kept) = match &file {
        Some(_) => (reach::api(&common.kubernetes).await?, String::new()),
        None => {
            let (found, object) = declared_there(common).await?;
            (found.api, declared::text(&object))
        }
    };
    to_version(common, &api, (file, kept), &arguments.to, &arguments.change).await
}

/// The same with the version of before the last change, where that is safe.
pub(crate) async fn rollback(common: &Common, arguments: &Change) -> Result<ExitCode, Failure> {
    let (found, object) = declared_there(common).await?;
    let cluster = declared::read(&object, &found.names)?.cluster;
    let to = version_before(version_change::read(&object).as_ref(), &cluster)?;
    let file = local::document::named_or_default(arguments.file.as_deref());
    to_version(common, &found.api, (file, declared::text(&object)), &to, arguments).await
}

/// The cluster, and its `VaultCluster`.
async fn declared_there(common: &Common) -> Result<(Found, Value), Failure> {
    let found = reach::cluster(common).await?;
    let object = ClusterObject::new(found.api.clone(), &found.names).read().await;
    Ok((found, object.map_err(failed)?.unwrap_or_default()))
}

async fn to_version(
    common: &Common,
    api: &Api,
    (file, kept): (Option<PathBuf>, String),
    to: &Version,
    arguments: &Change,
) -> Result<ExitCode, Failure> {
    let release = install::release(&arguments.images)?;
    let (edit, document) = edit::with_version(file, kept, to, Target::Kubernetes)?;
    let snapshot = !arguments.snapshot.without_snapshot;
    let timeout = arguments.timeout;
    let wish = Wish { document, release, adopt: false, snapshot, timeout };
    carry_out(common, api, wish, edit, arguments.yes).await
}

async fn carry_out(
    common: &Common,
    api: &Api,
    wish: Wish,
    edit: Option<Edit>,
    yes: bool,
) -> Result<ExitCode, Failure> {
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let Wish { document, release, adopt, snapshot, .. } = &wish;
    let proposal = plan::propose(api, document, release, *adopt, *snapshot, &progress).await;
    progress.end();
    let proposal = proposal?;
    output::data(plan::picture::of(&proposal).trim_end())?;
    if proposal.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !yes && !proposal.changes.is_empty() {
        output::ask::approve("Do this?")?;
    }
    // What is under way may be about a version, and wait for its snapshot.
    if !yes && !snapshot && (proposal.changes_version() || proposal.under_way.is_some()) {
        output::ask::approve_without_snapshot()?;
    }
    if let Some(edit) = edit {
        edit.make(&document.text)?;
    }
    up::attended(&progress, up::bring(api, &wish, &progress)).await
}
