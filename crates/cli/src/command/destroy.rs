//! `vaultyard destroy`

use std::process::ExitCode;

use vaultyard_model::port::clock::Clock;
use vaultyard_target_local::StateDirectory;

use crate::arguments::Common;
use crate::control::client::AskError;
use crate::failure::{Failure, bad_input, failed};
use crate::progress::Progress;
use crate::system::SystemClock;
use crate::{local, output, system};

pub(super) async fn run(common: &Common, yes: Option<&str>) -> Result<ExitCode, Failure> {
    let folder = local::state::folder(common)?;
    let state = StateDirectory::open(&folder).map_err(bad_input)?;
    let name = state.cluster().as_str();
    let what = format!(
        "This removes the cluster {name:?} in {} for good: the servers' data, the unseal keys \
         and what opens them, the certificates. There is no way back.",
        state.paths().root().display()
    );
    output::ask::confirm(&what, name, yes, 1)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let control = local::state::control(common)?;
    match control.status().await {
        Err(AskError::NotRunning(_)) => {}
        _ => super::down::stop(&control, &progress).await?,
    }
    let now = SystemClock.now();
    let (state, lock) =
        StateDirectory::take(&folder, state.cluster(), env!("CARGO_PKG_VERSION"), now)
            .map_err(failed)?;
    state.destroy(lock).map_err(failed)?;
    progress.done(format!("{name} is destroyed"));
    progress.end();
    Ok(ExitCode::SUCCESS)
}
