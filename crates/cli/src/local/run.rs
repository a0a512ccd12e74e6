//! Waits until an assembled cluster is ready.

use std::time::Duration;

use tokio::time::timeout;
use vaultyard_model::observed::Observed;
use vaultyard_model::status::{Phase, Status};

use super::assemble::Assembly;
use crate::control::wire;
use crate::failure::{Failure, Kind};
use crate::milestones::Told;
use crate::progress::Progress;

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

fn late(assembly: &Assembly) -> Outcome {
    let status = assembly.wires.status.borrow();
    let reason = status.as_ref().map(|status| status.reason.clone());
    let reason = reason.unwrap_or_else(|| "the servers are started".to_owned());
    let seen = assembly.wires.observed.borrow();
    Outcome::Late { reason, serves: seen.as_ref().is_some_and(Observed::serves) }
}

/// Shows progress until the cluster is ready, or `stop` completes, or the time is over.
pub(crate) async fn until_ready(
    assembly: &mut Assembly,
    progress: &Progress,
    within: Duration,
    stop: impl Future<Output = ()>,
) -> Result<Outcome, Failure> {
    let mut status = assembly.wires.status.subscribe();
    let mut told = Told::default();
    let ready = async {
        loop {
            let now = status.borrow_and_update().clone();
            if let Some(now) = now {
                for milestone in told.news(&wire::Status::from(&now)) {
                    progress.done(milestone);
                }
                progress.waiting(&now.reason);
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
    let ready = timeout(within, ready);
    tokio::pin!(ready, stop);
    loop {
        tokio::select! {
            ended = &mut ready => {
                return ended.unwrap_or_else(|_| Ok(late(assembly)));
            }
            resized = assembly.resized() => resized?,
            () = &mut stop => return Ok(Outcome::Stop),
        }
        assembly.hand_over().await?;
    }
}
