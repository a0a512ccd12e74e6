//! `vaultyard down`

use std::process::ExitCode;
use std::time::Duration;

use vaultyard_target_local::StateDirectory;

use crate::arguments::{Common, Target};
use crate::control::client::{AskError, Control};
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::progress::Progress;
use crate::{kubernetes, local, system};

/// The proxy's requests may take 10 s, the keepers' last round 30 s, and each of up to nine servers
/// 30 s.
const DEADLINE: Duration = Duration::from_secs(10 + 30 + 9 * 30);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(common: &Common) -> Result<ExitCode, Failure> {
    if common.target == Target::Kubernetes {
        return kubernetes::down::run(common).await;
    }
    let control = local::state::control(common)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let stopped = stop(&control, &progress).await;
    progress.end();
    stopped?;
    // It answers no more a moment before it gives back the lock, which the next `up` needs.
    let folder = local::state::folder(common)?;
    let state = StateDirectory::open(&folder).map_err(bad_input)?;
    drop(local::state::take(&folder, state.cluster()).await.map_err(failed)?);
    if !common.quiet {
        eprintln!("stopped; data and keys are kept");
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks a running `up` to stop, and waits until it has.
pub(crate) async fn stop(control: &Control, progress: &Progress) -> Result<(), Failure> {
    control.stop().await.map_err(failed)?;
    progress.waiting("the servers are stopped in order, the leader last");
    let gone = async {
        while !matches!(control.status().await, Err(AskError::NotRunning(_))) {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let late = |_| {
        Failure::text(Kind::NotInTime, format!("still stopping after {}s", DEADLINE.as_secs()))
            .hint("`vaultyard logs` shows what the servers do")
    };
    tokio::time::timeout(DEADLINE, gone).await.map_err(late)
}
