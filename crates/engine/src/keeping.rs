//! Runs a keeper: round after round, each when it asked for it or when something changed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{debug, warn};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::keeper::{Keeper, Waiting};
use vaultyard_model::status::ControllerStatus;

/// What a keeper last reported.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// When a round last found all well.
    pub last_success: Option<Timestamp>,
    /// What it waits for; `None` when all is well.
    pub waiting: Option<Waiting>,
    /// Whether a round has ended at all.
    pub begun: bool,
}

impl Report {
    /// What is not as it should be: also that the first round has not ended yet.
    pub fn lacks(&self) -> Option<Waiting> {
        let not_begun =
            || Waiting { reason: "it has not been looked at yet".to_owned(), stuck: false };
        if self.begun { self.waiting.clone() } else { Some(not_begun()) }
    }

    /// The keeper as a line of `status`.
    pub fn status(&self, name: &'static str) -> ControllerStatus {
        ControllerStatus {
            name,
            ready: self.begun && self.waiting.is_none(),
            last_success: self.last_success,
            last_error: self.waiting.as_ref().map(|waiting| waiting.reason.clone()),
        }
    }
}

/// The shortest pause between two rounds that did nothing, so that no keeper can spin.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Keeps `keeper` going until `stop` says so; a round that has begun is always brought to its end.
/// `wake` is what makes a round worth while before it is due; its sender's end does not stop the
/// loop.
pub async fn keep<T: Clone + Send + Sync>(
    name: &str,
    mut keeper: Box<dyn Keeper>,
    mut wake: watch::Receiver<T>,
    report: watch::Sender<Report>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow_and_update() {
        wake.mark_unchanged();
        let round = keeper.round(clock.now()).await;
        if let Some(step) = round.did {
            debug!(keeper = name, step, "done");
        }
        note(name, &report, round.waiting, clock.now());
        let pause = if round.did.is_some() { round.next } else { round.next.max(SHORTEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = wake.changed() => {}
            Ok(()) = stop.changed() => {}
        }
    }
}

/// Publishes what a round brought, and logs a reason once, when it is new.
fn note(name: &str, report: &watch::Sender<Report>, waiting: Option<Waiting>, now: Timestamp) {
    report.send_if_modified(|last| {
        let news = last.waiting != waiting || !last.begun;
        if let Some(waiting) = waiting.as_ref().filter(|_| news) {
            if waiting.stuck {
                warn!(keeper = name, "cannot go on: {}", waiting.reason);
            } else {
                debug!(keeper = name, "waits: {}", waiting.reason);
            }
        }
        if waiting.is_none() {
            last.last_success = Some(now);
        }
        last.waiting = waiting;
        last.begun = true;
        news
    });
}
