//! `vaultyard render`

use std::process::ExitCode;

use vaultyard_render::{Unit, systemd_unit};

use crate::arguments::{Common, Target};
use crate::failure::{Failure, Kind};
use crate::{local, output, system};

pub(super) fn run(common: &Common, target: Target) -> Result<ExitCode, Failure> {
    let Target::Local = target;
    let known = local::state::known(common)?;
    let unknown = || Failure::text(Kind::Failed, "it is not known where this program lies");
    let unit = Unit {
        cluster: known.document.cluster.name.clone(),
        program: system::own_program().ok_or_else(unknown)?.display().to_string(),
        // The kept document lies in a folder that only its owner can read.
        document: format!("/etc/vaultyard/{}.yaml", known.document.cluster.name),
    };
    output::data(systemd_unit(&unit).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
