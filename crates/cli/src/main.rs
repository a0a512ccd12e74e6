//! The `vaultyard` program.

mod arguments;
mod command;
mod control;
mod converse;
mod custody;
mod document;
mod failure;
mod faults;
mod identities;
mod keepers;
mod kubernetes;
mod local;
mod logging;
mod metrics;
mod milestones;
mod output;
mod progress;
mod proxy;
mod source;
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
