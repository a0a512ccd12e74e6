//! `vaultyard status`

use std::process::ExitCode;

use vaultyard_model::port::clock::Clock;

use crate::arguments::{Common, Status};
use crate::failure::Failure;
use crate::snapshots::Listed;
use crate::source::Source;
use crate::system::SystemClock;
use crate::{local, output};

pub(super) async fn run(common: &Common, arguments: &Status) -> Result<ExitCode, Failure> {
    let source = Source::of(common).await?;
    if arguments.watch {
        return output::watch::run(&source, arguments.output.output).await;
    }
    let mut status = source.status().await?;
    if let Source::Local(_) = source {
        let known = local::state::known(common)?;
        // What cannot be listed is told by `snapshot list`; the servers are told of all the same.
        let kept = local::snapshots::folder(&known).list().ok();
        status.snapshots = kept.map(|kept| kept.into_iter().map(Listed::from).collect());
    }
    let now = SystemClock.now();
    output::print(arguments.output.output, &status, |status| output::status::show(status, now))?;
    Ok(ExitCode::SUCCESS)
}
