//! `vaultyard completions`

use std::process::ExitCode;

use clap_complete::Shell;

use crate::failure::Failure;
use crate::{arguments, output};

pub(super) fn run(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::description(), "vaultyard", &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
