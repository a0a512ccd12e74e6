//! `vaultyard apply --target kubernetes`: the plan, a person's word, and then what `up` does.

use std::process::ExitCode;

use super::up::{self, Wish};
use super::{check, install, plan, reach};
use crate::arguments::{Apply, Common};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::system;

/// Shows what would change, asks, and does it.
pub(crate) async fn run(common: &Common, arguments: &Apply) -> Result<ExitCode, Failure> {
    let wish = Wish {
        document: check::document(arguments.file.as_deref())?,
        release: install::release(&arguments.images)?,
        adopt: arguments.adopt,
        timeout: arguments.timeout,
    };
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let api = reach::api(&common.kubernetes).await?;
    let Wish { document, release, adopt, .. } = &wish;
    let proposal = plan::propose(&api, document, release, *adopt, &progress).await;
    progress.end();
    let proposal = proposal?;
    output::data(plan::picture::of(&proposal).trim_end())?;
    if proposal.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !proposal.changes.is_empty() {
        output::ask::approve("Do this?")?;
    }
    up::attended(&progress, up::bring(&api, &wish, &progress)).await
}
