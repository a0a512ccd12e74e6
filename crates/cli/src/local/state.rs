//! Which state directory, and what the commands that only look read from it.

use std::path::PathBuf;

use vaultyard_model::Layout;
use vaultyard_target_local::StateDirectory;

use super::document::{self, Document};
use crate::arguments::Common;
use crate::control::client::Control;
use crate::failure::{Failure, Kind, bad_input};
use crate::system;

/// The folder that was named, else the default.
pub(crate) fn folder(common: &Common) -> Result<PathBuf, Failure> {
    let default = || {
        let unknown = "there is no home directory to keep the cluster's state in";
        Failure::text(Kind::BadInput, unknown).hint("name a folder with --state DIR")
    };
    common.state.clone().or_else(system::default_state).ok_or_else(default)
}

/// A cluster that was brought up here before, as far as its files tell.
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
    let layout = Layout::beginning_at(&document.cluster, first).map_err(bad_input)?;
    Ok(Known { state, document, layout })
}

/// The control socket of the state directory.
pub(crate) fn control(common: &Common) -> Result<Control, Failure> {
    let state = StateDirectory::open(&folder(common)?).map_err(bad_input)?;
    Ok(Control::new(state.paths().root(), &state.paths().control_socket()))
}
