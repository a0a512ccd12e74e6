//! `vaultyard destroy`

use std::path::Path;
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
    let root = state.paths().root();
    let in_folder =
        |folder: &Path| format!("the unseal keys in {} and what opens them, ", folder.display());
    let cluster = local::document::of_state(&state)?.map(|document| document.cluster);
    let snapshots = cluster.as_ref().map(|cluster| snapshots_stay(&cluster.snapshots.store));
    let (keys_elsewhere, keys, stays) = match cluster.map(|cluster| cluster.keys.store) {
        Some(Store::Directory { path: Some(path) }) => {
            let keys = in_folder(&path);
            (Some(path), keys, String::new())
        }
        Some(Store::Directory { path: None }) | None => (None, in_folder(root), String::new()),
        Some(other) => {
            let stays = format!(
                " The encrypted unseal keys stay in {other}: delete them there before a new cluster \
                 uses it."
            );
            (None, String::new(), stays)
        }
    };
    let what = format!(
        "This removes the cluster {name:?} in {} for good: the servers' data and its snapshots, \
         {keys}the certificates. There is no way back.{stays}{}",
        root.display(),
        snapshots.unwrap_or_default()
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

/// What a person is told of snapshots that are in a bucket.
pub(crate) fn snapshots_stay(store: &Store) -> String {
    match store.is_a_bucket() {
        true => format!(" Snapshots stay in {store}; without the keys nobody opens them."),
        false => String::new(),
    }
}
