//! One file a command.

mod apply;
mod binaries;
mod certificates;
mod check;
mod completions;
mod controller;
pub(crate) mod destroy;
mod dns;
mod down;
pub(crate) mod env;
mod explain;
pub(crate) mod keys;
mod login;
mod logs;
mod render;
mod run;
pub(crate) mod snapshot;
mod status;
pub(crate) mod up;
mod why;

use std::future::Future;
use std::process::ExitCode;

use crate::arguments::{Arguments, Command, Keys, Target};
use crate::failure::{Failure, Kind, failed};
use crate::kubernetes;

/// Runs what the command line says.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { common, command } = arguments;
    if common.target == Target::Kubernetes {
        refuse_what_is_local(&command)?;
    }
    match command {
        Command::Up(up) => up::run(&common, &up),
        Command::Run(run) => wait(run::run(&common, &run)),
        Command::Check(document) => wait(check::run(&common, &document)),
        Command::Plan(plan) => match common.target {
            Target::Local => wait(apply::plan(&common, &plan)),
            Target::Kubernetes => wait(kubernetes::plan::run(&common, &plan)),
        },
        Command::Apply(apply) => match common.target {
            Target::Local => wait(apply::run(&common, &apply)),
            Target::Kubernetes => wait(kubernetes::apply::run(&common, &apply)),
        },
        Command::Upgrade(upgrade) => match common.target {
            Target::Local => wait(apply::upgrade(&common, &upgrade)),
            Target::Kubernetes => wait(kubernetes::apply::upgrade(&common, &upgrade)),
        },
        Command::Rollback(change) => match common.target {
            Target::Local => wait(apply::rollback(&common, &change)),
            Target::Kubernetes => wait(kubernetes::apply::rollback(&common, &change)),
        },
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
        Command::Snapshot(snapshot) => wait(snapshot::run(&common, &snapshot)),
        Command::Certificates(output) => wait(certificates::run(&common, &output)),
        Command::Dns(output) => wait(dns::run(&common, &output)),
        Command::Binaries(binaries) => wait(binaries::run(&common, &binaries)),
        Command::Explain { path, recursive } => explain::run(path.as_deref(), recursive),
        Command::Render(render) => render::run(&common, &render),
        Command::Controller(which) => controller::run(common.verbose, which),
        Command::Completions { shell } => completions::run(shell),
        #[cfg(feature = "fault-injection")]
        Command::FaultPoints { of } => crate::faults::list(common.target, of),
    }
}

/// What only knows one machine must not be done there when Kubernetes was meant.
fn refuse_what_is_local(command: &Command) -> Result<(), Failure> {
    let name = match command {
        Command::Run(_) => "run",
        Command::Keys(Keys::Rekey { .. }) => return Ok(()),
        Command::Keys(_) => "keys",
        Command::Certificates(_) => "certificates",
        Command::Dns(_) => "dns",
        Command::Binaries(_) => "binaries",
        _ => return Ok(()),
    };
    let what =
        format!("`{name}` knows clusters on this machine only, and the target is kubernetes");
    Err(Failure::text(Kind::BadInput, what)
        .hint("leave --target out, and unset VAULTYARD_TARGET, if one on this machine is meant"))
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
