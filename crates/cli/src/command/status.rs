//! `vaultyard status`

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;
use vaultyard_model::port::clock::Clock;

use crate::arguments::{Common, Status};
use crate::failure::Failure;
use crate::snapshots::Listed;
use crate::source::Source;
use crate::system::SystemClock;
use crate::{local, output};

/// How long a bucket of snapshots is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn run(common: &Common, arguments: &Status) -> Result<ExitCode, Failure> {
    let source = Source::of(common).await?;
    if arguments.watch {
        return output::watch::run(&source, arguments.output.output).await;
    }
    let mut status = source.status().await?;
    if let Source::Local(_) = source {
        let known = local::state::known(common)?;
        // What cannot be listed is told by `snapshot list`; the servers are told of all the same.
        let shelf = local::snapshots::shelf(&known);
        let kept = timeout(PATIENCE, shelf.list()).await;
        status.snapshots =
            kept.ok().and_then(Result::ok).map(|kept| kept.into_iter().map(Listed::from).collect());
    }
    let now = SystemClock.now();
    output::print(arguments.output.output, &status, |status| output::status::show(status, now))?;
    Ok(ExitCode::SUCCESS)
}
