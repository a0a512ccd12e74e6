//! `vaultyard destroy`

use std::path::PathBuf;
use std::process::ExitCode;

use vaultyard_model::cluster::Store;
use vaultyard_target_local::StateDirectory;

use crate::arguments::{Common, Destroy, Target};
use crate::control::client::AskError;
use crate::failure::{Failure, bad_input, failed};
use crate::progress::Progress;
use crate::{kubernetes, local, output, system};

pub(super) async fn run(common: &Common, arguments: &Destroy) -> Result<ExitCode, Failure> {
    if common.target == Target::Kubernetes {
        return kubernetes::destroy::run(common, arguments).await;
    }
    let yes = arguments.yes.as_deref();
    let folder = local::state::folder(common)?;
    let state = StateDirectory::open(&folder).map_err(bad_input)?;
    let name = state.cluster().as_str();
    let keys_elsewhere = keys_elsewhere(&state)?;
    let keys = keys_elsewhere.as_deref().unwrap_or(state.paths().root());
    let what = format!(
        "This removes the cluster {name:?} in {} for good: the servers' data, the unseal keys \
         in {} and what opens them, the certificates. There is no way back.",
        state.paths().root().display(),
        keys.display()
    );
    if yes == Some(name) && !common.quiet {
        eprintln!("{what}");
    }
    output::ask::confirm(&what, name, yes, 1)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let control = local::state::control(common)?;
    match control.status().await {
        Err(AskError::NotRunning(_)) => {}
        _ => super::down::stop(&control, &progress).await?,
    }
    let (state, lock) = local::state::take(&folder, state.cluster()).await.map_err(failed)?;
    local::prepare::end_leftovers(state.paths(), &progress).await?;
    state.destroy(keys_elsewhere.as_deref(), lock).map_err(failed)?;
    progress.done(format!("{name} is destroyed"));
    progress.end();
    Ok(ExitCode::SUCCESS)
}

/// The folder of keys that the document names, when there is one.
fn keys_elsewhere(state: &StateDirectory) -> Result<Option<PathBuf>, Failure> {
    let Some(document) = local::document::of_state(state)? else { return Ok(None) };
    match document.cluster.keys.store {
        Store::Directory { path } => Ok(path),
        _ => Ok(None),
    }
}
