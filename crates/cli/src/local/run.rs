//! Runs an assembled cluster until it is told to stop, and stops it in order.

use std::time::Duration;

use tokio::time::timeout;
use vaultyard_engine::shutdown::stop_all;
use vaultyard_model::ServerName;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::host::Signal;
use vaultyard_model::status::{Phase, Status};
use vaultyard_plan::shutdown::{self, Stop};

use super::assemble::{Assembly, Tasks};
use crate::control::wire;
use crate::failure::{Failure, Kind};
use crate::milestones::Told;
use crate::progress::Progress;

/// How long a keeper may take for the round it is in: initialising takes up to 9 s.
const LAST_ROUND: Duration = Duration::from_secs(30);

/// What ended the waiting for `Ready`.
pub(crate) enum Outcome {
    /// All is proven.
    Ready(Box<Status>),
    /// Somebody wants it to stop.
    Stop,
    /// The time is over.
    Late {
        /// What it still waits for.
        reason: String,
        /// Whether somebody leads and reads are answered: clients are served all the same.
        serves: bool,
    },
}

/// Shows progress until the cluster is ready, or `stop` completes, or the time is over.
pub(crate) async fn until_ready(
    assembly: &mut Assembly,
    progress: &Progress,
    within: Duration,
    stop: impl Future<Output = ()>,
) -> Result<Outcome, Failure> {
    let mut status = assembly.status.clone();
    let mut told = Told::default();
    let mut reason = "the servers are started".to_owned();
    let ready = async {
        loop {
            let now = status.borrow_and_update().clone();
            if let Some(now) = now {
                for milestone in told.news(&wire::Status::from(&now)) {
                    progress.done(milestone);
                }
                progress.waiting(&now.reason);
                reason.clone_from(&now.reason);
                match now.phase {
                    Phase::Ready => return Ok(Outcome::Ready(Box::new(now))),
                    Phase::Failed => return Err(Failure::text(Kind::Failed, &now.reason)),
                    _ => {}
                }
            }
            if status.changed().await.is_err() {
                return Err(Failure::text(Kind::Failed, "the watcher ended"));
            }
        }
    };
    tokio::select! {
        ended = timeout(within, ready) => match ended {
            Ok(outcome) => outcome,
            Err(_) => {
                let serves = assembly.observed.borrow().as_ref().is_some_and(Observed::serves);
                Ok(Outcome::Late { reason, serves })
            }
        },
        failure = assembly.tasks.first_end() => Err(failure),
        () = stop => Ok(Outcome::Stop),
    }
}

/// Stops everything in order: no new requests, then the keepers, then the servers, the leader
/// last.
pub(crate) async fn stop(assembly: Assembly, progress: &Progress) {
    let Assembly { servers, observed, stop_keepers, tasks, proxy, prepared, .. } = assembly;
    let Tasks { mut keepers, mut loops, .. } = tasks;
    progress.waiting("requests in flight end");
    proxy.stop().await;
    progress.done("the proxy takes no more requests");
    stop_keepers.send_replace(true);
    let ended = timeout(LAST_ROUND, async { while keepers.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!("a keeper did not end its round within {LAST_ROUND:?}");
    }
    let seen = observed.borrow().clone();
    let unseen = |server: &ServerName| Stop { server: server.clone(), signal: Signal::Terminate };
    let order: Vec<Stop> = match &seen {
        Some(seen) => shutdown::order(seen),
        None => servers.keys().rev().map(unseen).collect(),
    };
    stop_all(&servers, &order, |name| progress.waiting(format!("{name} stops"))).await;
    progress.done(format!("the servers are stopped: {}", names(&order)));
    loops.shutdown().await;
    // A caller that comes now is told that nobody is there, not left waiting.
    std::fs::remove_file(prepared.state.paths().control_socket()).ok();
    drop(prepared.lock);
}

fn names(order: &[Stop]) -> String {
    order.iter().map(|stop| stop.server.as_str()).collect::<Vec<_>>().join(", ")
}
