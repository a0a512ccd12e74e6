//! The `vaultyard` program.

mod arguments;
mod command;
mod control;
mod converse;
mod failure;
mod faults;
mod keepers;
mod local;
mod logging;
mod metrics;
mod output;
mod progress;
mod stops;
mod system;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = arguments::read();
    match command::run(arguments) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
