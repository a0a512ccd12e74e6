//! `vaultyard status`

use std::process::ExitCode;

use vaultyard_model::port::clock::Clock;

use crate::arguments::{Common, Status};
use crate::failure::Failure;
use crate::output;
use crate::source::Source;
use crate::system::SystemClock;

pub(super) async fn run(common: &Common, arguments: &Status) -> Result<ExitCode, Failure> {
    let source = Source::of(common).await?;
    if arguments.watch {
        return output::watch::run(&source, arguments.output.output).await;
    }
    let status = source.status().await?;
    let now = SystemClock.now();
    output::print(arguments.output.output, &status, |status| output::status::show(status, now))?;
    Ok(ExitCode::SUCCESS)
}
