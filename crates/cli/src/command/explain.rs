//! `vaultyard explain`

use std::process::ExitCode;

use vaultyard_manifest::UnknownPath;

use crate::failure::{Failure, bad_input};
use crate::output;

pub(super) fn run(path: Option<&str>, recursive: bool) -> Result<ExitCode, Failure> {
    let path = path.unwrap_or_default();
    if recursive {
        output::data(vaultyard_manifest::outline(path).map_err(unknown)?)?;
    } else {
        output::data(vaultyard_manifest::explain(path).map_err(unknown)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(error: UnknownPath) -> Failure {
    let hint = error.hint.clone();
    bad_input(error).hint(hint)
}
