//! The `vaultyard` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vaultyard_cli::run()
}
