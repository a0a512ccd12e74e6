//! A rollout as it is told to whoever waits for it, from one status to the next.

use std::time::{Duration, Instant};

use crate::control::wire::Status;
use crate::failure::{Failure, Kind};
use crate::output::changes::{Change, between};
use crate::output::timeline::Timeline;
use crate::progress::Progress;

/// So long after it was asked for a rollout must have begun. Until then what is told may be of before.
const BEGIN: Duration = Duration::from_secs(10);

/// What was seen of it so far.
pub(crate) struct Following<'a> {
    progress: &'a Progress,
    asked: Instant,
    before: Option<Status>,
    begun: bool,
    timeline: Timeline,
}

impl<'a> Following<'a> {
    /// Of a rollout that is asked for now; `before` is how the cluster was.
    pub(crate) fn new(progress: &'a Progress, before: Option<Status>) -> Self {
        let (asked, timeline) = (Instant::now(), Timeline::default());
        Self { progress, asked, before, begun: false, timeline }
    }

    /// Takes the next status and tells what happened to servers. Whether it is over, as far as can be
    /// told by now.
    ///
    /// # Errors
    /// A [`Failure`] when it goes on only when a person says so.
    pub(crate) fn note(&mut self, now: Status) -> Result<bool, Failure> {
        let late = self.asked.elapsed() > BEGIN;
        let (under_way, frozen) = (now.under_way(), now.is_frozen());
        if let Some(condition) = under_way.filter(|_| frozen && (self.begun || late)) {
            return Err(Failure::text(Kind::Failed, &condition.message)
                .hint("`vaultyard why` and `vaultyard logs` show more"));
        }
        self.begun |= under_way.is_some() && !frozen;
        let over = under_way.is_none() && (self.begun || late);
        if self.begun {
            self.timeline.note(&now, self.asked.elapsed());
            let changes = self.before.as_ref().map(|before| between(before, &now));
            let of_servers = changes.into_iter().flatten().filter(is_of_a_server);
            of_servers.for_each(|change| self.progress.done(change));
        }
        self.before = Some(now);
        Ok(over)
    }

    /// When each server went, and for how long; empty when none did.
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }
}

/// Whether it is news of the servers: what else changes meanwhile only follows from it.
fn is_of_a_server(change: &Change) -> bool {
    matches!(
        change,
        Change::Added { .. }
            | Change::Removed { .. }
            | Change::State { .. }
            | Change::Version { .. }
            | Change::Leader { now: Some(_), .. }
    )
}
