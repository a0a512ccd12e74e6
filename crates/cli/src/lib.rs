//! The `vaultyard` program: reading the command line, wiring, and what is said to people and programs. It is a
//! library so that it is compiled once for all kinds in which the program is linked.

mod arguments;
mod command;
mod control;
mod converse;
mod custody;
mod document;
mod edit;
mod failure;
mod faults;
mod following;
mod identities;
mod keepers;
mod kubernetes;
mod local;
mod logging;
mod metrics;
mod milestones;
mod output;
mod progress;
mod proving;
mod proxy;
mod rollback;
mod snapshots;
mod source;
mod stops;
mod system;

use std::process::ExitCode;

/// Does what the command line says.
pub fn run() -> ExitCode {
    let arguments = arguments::read();
    match command::run(arguments) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
