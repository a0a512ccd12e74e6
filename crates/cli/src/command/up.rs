//! `vaultyard up`

use std::process::ExitCode;
use std::time::Instant;

use tokio::sync::watch;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::status::Status;

use crate::arguments::{Common, Target, Up};
use crate::control::wire;
use crate::failure::{Failure, Kind, failed};
use crate::local::assemble::{Assembly, assemble, stop};
use crate::local::prepare::{Site, not_begun, prepare};
use crate::local::run::{Outcome, until_ready};
use crate::output::changes::between;
use crate::progress::Progress;
use crate::stops::Stops;
use crate::system::SystemClock;
use crate::{kubernetes, local, logging, system};

pub(crate) mod detach;
pub(crate) mod farewell;

pub(super) fn run(common: &Common, arguments: &Up) -> Result<ExitCode, Failure> {
    if common.target == Target::Kubernetes {
        return super::wait(kubernetes::up::run(common, arguments));
    }
    if arguments.detach {
        return detach::run(common);
    }
    super::wait(in_foreground(common, arguments))
}

async fn in_foreground(common: &Common, arguments: &Up) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    if arguments.in_background {
        detach::leave_the_terminal()?;
    }
    let folder = local::state::folder(common)?;
    let document = local::document::find(arguments.document.file.as_deref(), &folder)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.say(format!("{} in {}", document.headline(), folder.display()));
    let mut stops = Stops::listen()?;
    let site = Site {
        folder: &folder,
        address: arguments.document.address,
        binaries: folder.join("binaries"),
    };
    let prepared = tokio::select! {
        prepared = prepare(document, site, &progress) => prepared,
        _ = stops.next() => Err(not_begun()),
    };
    let (prepared, control) = prepared.inspect_err(|_| progress.end())?;
    logging::start(common.verbose, &prepared.state.paths().log()).map_err(failed)?;
    let assembly = assemble(prepared, control).await.inspect_err(|_| progress.end())?;
    let code = live(assembly, arguments, &progress, &mut stops, began).await;
    progress.end();
    code
}

/// From the first start of a server to the end of the last.
async fn live(
    mut assembly: Assembly,
    arguments: &Up,
    progress: &Progress,
    stops: &mut Stops,
    began: Instant,
) -> Result<ExitCode, Failure> {
    let mut asked = assembly.wires.stop.subscribe();
    let outcome = {
        let told = async {
            tokio::select! {
                _ = stops.next() => {}
                Ok(_) = asked.wait_for(|stop| *stop) => {}
            }
        };
        until_ready(&mut assembly, progress, arguments.timeout, told).await
    };
    let verdict = match outcome {
        Ok(Outcome::Ready(status)) => {
            welcome(&assembly, &status, progress, began);
            stay(&mut assembly, arguments, progress, stops).await
        }
        // Stopping what serves would make it worse; the keepers go on with what it lacks.
        Ok(Outcome::Late { reason, serves: true }) => {
            progress.end();
            progress.say(format!("{}; it serves, and goes on", late(arguments, &reason)));
            assembly.wires.overdue.send_replace(true);
            stay(&mut assembly, arguments, progress, stops).await
        }
        Ok(Outcome::Stop) => Err(Failure::text(Kind::Interrupted, "stopped before it was ready")
            .hint("nothing is lost: `vaultyard up` goes on where it was")),
        Ok(Outcome::Late { reason, serves: false }) => {
            Err(Failure::text(Kind::NotInTime, late(arguments, &reason))
                .hint("`vaultyard up` goes on where it was; `vaultyard logs` shows more"))
        }
        Err(failure) => Err(failure),
    };
    farewell::stopping(progress);
    tokio::select! {
        () = stop(assembly, progress) => verdict,
        _ = stops.next() => Err(farewell::at_once()),
    }
}

/// Stays with a cluster that serves until somebody wants it to stop.
async fn stay(
    assembly: &mut Assembly,
    arguments: &Up,
    progress: &Progress,
    stops: &mut Stops,
) -> Result<ExitCode, Failure> {
    if arguments.in_background {
        detach::fall_silent();
    }
    let statuses = assembly.wires.status.subscribe();
    let mut asked = assembly.wires.stop.subscribe();
    tokio::select! {
        () = tell_changes(statuses, progress) => {
            Err(Failure::text(Kind::Failed, "the watcher ended"))
        }
        failure = assembly.live() => Err(failure),
        _ = stops.next() => Ok(ExitCode::SUCCESS),
        Ok(_) = asked.wait_for(|stop| *stop) => Ok(ExitCode::SUCCESS),
    }
}

fn late(arguments: &Up, reason: &str) -> String {
    format!("not ready within {:?}: {reason}", arguments.timeout)
}

fn welcome(assembly: &Assembly, status: &Status, progress: &Progress, began: Instant) {
    progress.end();
    let known = assembly.prepared().known();
    progress.say(farewell::ready(&known, status, began.elapsed()));
}

/// Tells what happens to a cluster that was ready, with the time, until nobody watches it.
async fn tell_changes(mut statuses: watch::Receiver<Option<Status>>, progress: &Progress) {
    let mut before = statuses.borrow_and_update().as_ref().map(wire::Status::from);
    while statuses.changed().await.is_ok() {
        let now = statuses.borrow_and_update().as_ref().map(wire::Status::from);
        if let (Some(before), Some(now)) = (&before, &now) {
            for change in between(before, now) {
                progress.say(format!("{:.0}  {change}", SystemClock.now()));
            }
        }
        before = now;
    }
}
