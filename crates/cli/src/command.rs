//! One file a command.

mod binaries;
mod certificates;
mod check;
mod completions;
mod controller;
mod destroy;
mod dns;
mod down;
pub(crate) mod env;
mod explain;
mod keys;
mod login;
mod logs;
mod render;
mod run;
mod status;
pub(crate) mod up;
mod why;

use std::future::Future;
use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::failure::{Failure, failed};

/// Runs what the command line says.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { common, command } = arguments;
    match command {
        Command::Up(up) => up::run(&common, &up),
        Command::Run(run) => wait(run::run(&common, &run)),
        Command::Check(document) => wait(check::run(&common, &document)),
        Command::Status(status) => wait(status::run(&common, &status)),
        Command::Why { server } => wait(why::run(&common, server.as_deref())),
        Command::Logs { server, follow, tail } => {
            wait(logs::run(&common, server.as_deref(), follow, tail))
        }
        Command::Env { forward_for } => env::run(&common, forward_for),
        Command::Login { print } => wait(login::run(&common, print)),
        Command::Down => wait(down::run(&common)),
        Command::Destroy(destroy) => wait(destroy::run(&common, &destroy)),
        Command::Keys(keys) => wait(keys::run(&common, &keys)),
        Command::Certificates(output) => wait(certificates::run(&common, &output)),
        Command::Dns(output) => wait(dns::run(&common, &output)),
        Command::Binaries(binaries) => wait(binaries::run(&common, &binaries)),
        Command::Explain { path, recursive } => explain::run(path.as_deref(), recursive),
        Command::Render { file, images } => render::run(&common, file.as_deref(), &images),
        Command::Controller(which) => controller::run(common.verbose, which),
        Command::Completions { shell } => completions::run(shell),
        #[cfg(feature = "fault-injection")]
        Command::FaultPoints => crate::faults::list(),
    }
}

/// Runs an asynchronous command. Two workers are enough for everything beside the proxy, which
/// has a thread of its own. What still runs when the command has its answer ends with the program:
/// after a second Ctrl-C nobody waits for it.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(failed)?;
    let answer = runtime.block_on(work);
    runtime.shutdown_background();
    answer
}
