//! `vaultyard explain`

use std::process::ExitCode;

use crate::failure::{Failure, bad_input};
use crate::output;

pub(super) fn run(path: Option<&str>, recursive: bool) -> Result<ExitCode, Failure> {
    let path = path.unwrap_or_default();
    if recursive {
        output::data(vaultyard_manifest::outline(path).map_err(bad_input)?)?;
    } else {
        output::data(vaultyard_manifest::explain(path).map_err(bad_input)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
