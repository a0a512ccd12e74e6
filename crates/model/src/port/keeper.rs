//! Loops that keep something true: one round at a time, each saying what it did, what it waits
//! for and when it wants to be asked again. The engine owns the timer, the keeper the work.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Something that is kept true round by round: a server unsealed, certificates fresh, the first
/// root token gone.
#[async_trait]
pub trait Keeper: Send {
    /// One round, at most one step. `now` is when it begins.
    async fn round(&mut self, now: Timestamp) -> Round;
}

/// What one round brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The name of the step that was done, if one was.
    pub did: Option<&'static str>,
    /// Why it is not as it should be yet; `None` when all is well.
    pub waiting: Option<Waiting>,
    /// When the next round is due; zero for at once.
    pub next: Duration,
}

/// What a keeper waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The keeper's typed reason, as a sentence for people.
    pub reason: String,
    /// Whether it cannot go on without a person.
    pub stuck: bool,
}
