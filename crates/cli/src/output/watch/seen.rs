//! What the watch has seen so far. Pure.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::control::wire::Status;
use crate::output::changes::{Change, between};

/// More than the tallest terminal shows.
const KEPT: usize = 200;

/// Everything that the picture is made of.
pub(super) struct Seen {
    /// When the watch began.
    pub(super) since: Timestamp,
    /// The last status there was.
    pub(super) status: Option<Status>,
    /// Since when, and why, there is no newer one.
    pub(super) silence: Option<Silence>,
    /// What changed, the newest first.
    pub(super) changes: VecDeque<(Timestamp, Change)>,
}

/// Nobody answers the questions.
pub(super) struct Silence {
    /// When that began.
    pub(super) since: Timestamp,
    /// The last error.
    pub(super) why: String,
}

impl Seen {
    /// The watch begins now.
    pub(super) fn nothing(since: Timestamp) -> Self {
        Self { since, status: None, silence: None, changes: VecDeque::new() }
    }

    /// Takes in the answer of one look.
    pub(super) fn note(&mut self, now: Timestamp, answer: Result<Status, String>) {
        match answer {
            Ok(status) => self.answered(now, status),
            Err(why) => self.unanswered(now, why),
        }
    }

    fn answered(&mut self, now: Timestamp, status: Status) {
        if self.silence.take().is_some() && self.status.is_some() {
            self.push(now, Change::Back);
        }
        if let Some(before) = &self.status {
            for change in between(before, &status) {
                self.push(now, change);
            }
        }
        self.status = Some(status);
    }

    fn unanswered(&mut self, now: Timestamp, why: String) {
        if self.silence.is_none() && self.status.is_some() {
            self.push(now, Change::Gone);
        }
        let since = self.silence.as_ref().map_or(now, |silence| silence.since);
        self.silence = Some(Silence { since, why });
    }

    fn push(&mut self, now: Timestamp, change: Change) {
        self.changes.push_front((now, change));
        self.changes.truncate(KEPT);
    }
}
