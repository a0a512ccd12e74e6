//! Which state directory, and what the commands that only look read from it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vaultyard_model::port::clock::Clock;
use vaultyard_model::{Cluster, ClusterName, Layout};
use vaultyard_target_local::StateDirectory;
use vaultyard_target_local::lock::Lock;
use vaultyard_target_local::state::StateError;

use super::document;
use super::prepare::VERSION;
use crate::arguments::Common;
use crate::control::client::Control;
use crate::document::Document;
use crate::failure::{Failure, Kind, bad_input};
use crate::system::{self, SystemClock};

/// How long a Vaultyard that answers no more may still hold the lock while it ends.
const LOCK_LINGERS: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// The folder that was named, else the default.
pub(crate) fn folder(common: &Common) -> Result<PathBuf, Failure> {
    let default = || {
        let unknown = "there is no home directory to keep the cluster's state in";
        Failure::text(Kind::BadInput, unknown).hint("name a folder with --state DIR")
    };
    common.state.clone().or_else(system::default_state).ok_or_else(default)
}

/// Takes the state directory; waits up to [`LOCK_LINGERS`] for one who is about to end.
pub(crate) async fn take(
    folder: &Path,
    cluster: &ClusterName,
) -> Result<(StateDirectory, Lock), StateError> {
    let once = || StateDirectory::take(folder, cluster, VERSION, SystemClock.now());
    let free = async {
        loop {
            match once() {
                Err(StateError::InUse { .. }) => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
    };
    tokio::time::timeout(LOCK_LINGERS, free).await.unwrap_or_else(|_| once())
}

/// A cluster that was brought up here before, as far as its files tell.
#[derive(Clone)]
pub(crate) struct Known {
    /// Its files.
    pub(crate) state: StateDirectory,
    /// What was declared last.
    pub(crate) document: Document,
    /// Where it is.
    pub(crate) layout: Layout,
}

/// Reads what the last `up` left. Changes nothing.
pub(crate) fn known(common: &Common) -> Result<Known, Failure> {
    let state = StateDirectory::open(&folder(common)?).map_err(bad_input)?;
    let never = || {
        let root = state.paths().root().display();
        Failure::text(Kind::BadInput, format!("no cluster was brought up in {root} yet"))
            .hint("run `vaultyard up`")
    };
    let text = state.document().map_err(bad_input)?.ok_or_else(never)?;
    let document = document::kept(&state.paths().document().display().to_string(), text)?;
    let first = state.first_address().map_err(bad_input)?.ok_or_else(never)?;
    let standing = standing(&state, &document.cluster)?;
    let layout = Layout::of_servers(&document.cluster, standing, first).map_err(bad_input)?;
    Ok(Known { state, document, layout })
}

/// How many servers stand: as many as `kept`, the document of the last `up`, asks for, until it is noted that
/// a rollout has come to another number.
pub(crate) fn standing(state: &StateDirectory, kept: &Cluster) -> Result<u8, Failure> {
    let noted = state.standing().map_err(bad_input)?;
    Ok(noted.unwrap_or(kept.servers.replicas.count()))
}

/// The control socket of the state directory.
pub(crate) fn control(common: &Common) -> Result<Control, Failure> {
    let state = StateDirectory::open(&folder(common)?).map_err(bad_input)?;
    Ok(Control::new(state.paths().root(), &state.paths().control_socket()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_is_given_back_a_moment_later_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = ClusterName::new("vault").unwrap();
        let (_, lock) = take(folder.path(), &cluster).await.unwrap();
        let given_back = async {
            tokio::time::sleep(PAUSE * 2).await;
            drop(lock);
        };
        let (taken, ()) = tokio::join!(take(folder.path(), &cluster), given_back);
        assert!(taken.is_ok());
    }
}
