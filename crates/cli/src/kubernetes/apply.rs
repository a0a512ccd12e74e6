//! `vaultyard apply` and `upgrade` with `--target kubernetes`: the plan, a person's word, and then what `up`
//! does.

use std::process::ExitCode;

use vaultyard_manifest::Target;
use vaultyard_target_kubernetes::Api;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::up::{self, Wish};
use super::{check, declared, install, plan, reach};
use crate::arguments::{Apply, Common, Upgrade};
use crate::edit::{self, Edit};
use crate::failure::{Failure, failed};
use crate::progress::Progress;
use crate::{local, output, system};

/// Shows what would change, asks, and does it.
pub(crate) async fn run(common: &Common, arguments: &Apply) -> Result<ExitCode, Failure> {
    let wish = Wish {
        document: check::document(arguments.file.as_deref())?,
        release: install::release(&arguments.images)?,
        adopt: arguments.adopt,
        timeout: arguments.timeout,
    };
    let api = reach::api(&common.kubernetes).await?;
    carry_out(common, &api, wish, None, arguments.yes).await
}

/// The same with another version in the document, which the file is given once a person has agreed.
pub(crate) async fn upgrade(common: &Common, arguments: &Upgrade) -> Result<ExitCode, Failure> {
    let release = install::release(&arguments.images)?;
    let file = local::document::named_or_default(arguments.file.as_deref());
    let (api, kept) = match &file {
        Some(_) => (reach::api(&common.kubernetes).await?, String::new()),
        None => {
            let found = reach::cluster(common).await?;
            let object = ClusterObject::new(found.api.clone(), &found.names).read().await;
            (found.api, declared::text(&object.map_err(failed)?.unwrap_or_default()))
        }
    };
    let (edit, document) = edit::with_version(file, kept, &arguments.to, Target::Kubernetes)?;
    let wish = Wish { document, release, adopt: false, timeout: arguments.timeout };
    carry_out(common, &api, wish, edit, arguments.yes).await
}

async fn carry_out(
    common: &Common,
    api: &Api,
    wish: Wish,
    edit: Option<Edit>,
    yes: bool,
) -> Result<ExitCode, Failure> {
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let Wish { document, release, adopt, .. } = &wish;
    let proposal = plan::propose(api, document, release, *adopt, &progress).await;
    progress.end();
    let proposal = proposal?;
    output::data(plan::picture::of(&proposal).trim_end())?;
    if proposal.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !yes && !proposal.changes.is_empty() {
        output::ask::approve("Do this?")?;
    }
    if let Some(edit) = edit {
        edit.make(&document.text)?;
    }
    up::attended(&progress, up::bring(api, &wish, &progress)).await
}
