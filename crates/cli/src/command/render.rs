//! `vaultyard render`

use std::process::ExitCode;

use vaultyard_render::{Unit, systemd_unit};

use crate::arguments::{Common, Target};
use crate::failure::{Failure, failed};
use crate::{local, output};

pub(super) fn run(common: &Common, target: Target) -> Result<ExitCode, Failure> {
    let Target::Local = target;
    let known = local::state::known(common)?;
    let unit = Unit {
        cluster: known.document.cluster.name.clone(),
        program: std::env::current_exe().map_err(failed)?.display().to_string(),
        document: known.state.paths().document().display().to_string(),
    };
    output::data(systemd_unit(&unit).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
