//! `vaultyard render`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vaultyard_model::ClusterName;
use vaultyard_render::{Unit, systemd_unit};

use crate::arguments::{Common, Render, Target};
use crate::failure::{Failure, Kind, failed};
use crate::kubernetes::rendered;
use crate::{local, output, system};

pub(super) fn run(common: &Common, arguments: &Render) -> Result<ExitCode, Failure> {
    let file = arguments.file.as_deref();
    if let Some(tool) = arguments.prerequisites {
        output::data(rendered::prerequisites(file, tool)?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    if common.target == Target::Kubernetes {
        output::data(rendered::objects(file, &arguments.images)?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (cluster, document) = named(common, file)?;
    let unknown = || Failure::text(Kind::Failed, "it is not known where this program lies");
    let unit = Unit {
        cluster,
        program: system::own_program().ok_or_else(unknown)?.display().to_string(),
        document: document.display().to_string(),
    };
    output::data(systemd_unit(&unit).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The cluster, and where its document will lie.
fn named(common: &Common, file: Option<&Path>) -> Result<(ClusterName, PathBuf), Failure> {
    if let Some(file) = file {
        let document = local::document::from_file(file)?;
        return Ok((document.cluster.name, std::path::absolute(file).map_err(failed)?));
    }
    let name = local::state::known(common)?.document.cluster.name;
    // The kept document lies in a folder that only its owner can read.
    let document = PathBuf::from(format!("/etc/vaultyard/{name}.yaml"));
    Ok((name, document))
}
