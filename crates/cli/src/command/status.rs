//! `vaultyard status`

use std::process::ExitCode;

use vaultyard_model::port::clock::Clock;

use crate::arguments::{Common, Status};
use crate::failure::{Failure, failed};
use crate::system::SystemClock;
use crate::{local, output};

pub(super) async fn run(common: &Common, arguments: &Status) -> Result<ExitCode, Failure> {
    let control = local::state::control(common)?;
    if arguments.watch {
        return output::watch::run(&control, arguments.output.output).await;
    }
    let status = control.status().await.map_err(failed)?;
    let now = SystemClock.now();
    output::print(arguments.output.output, &status, |status| output::status::show(status, now))?;
    Ok(ExitCode::SUCCESS)
}
