//! What one event did to the requests around it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::open_loop::Sent;
use crate::samples::{Samples, seconds};

/// One event behind one front.
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Sent>,
    /// From before it until it had happened: a killed process was gone.
    pub(crate) event: RangeInclusive<Instant>,
    /// From the event to another leader; of a rollout, to its end.
    pub(crate) election: Duration,
    /// Acknowledged writes that the store does not hold; `None` when it does not answer any more.
    pub(crate) lost: Option<usize>,
}

/// How much longer than the election the gap may be: until the new leader's first answer.
const NOTICED: Duration = Duration::from_millis(300);

impl Outcome {
    /// The longest time without a success, of reads or of writes.
    fn gap(&self) -> Duration {
        let gap = |writes: bool| {
            let of_kind = self.sent.iter().filter(|it| it.written.is_some() == writes);
            let done = of_kind.filter(|it| it.failure.is_none());
            let mut ends: Vec<Instant> = done.map(|it| it.ended).collect();
            ends.sort();
            ends.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
        };
        gap(false).max(gap(true))
    }

    pub(crate) fn only_writes_in_flight_failed(&self) -> bool {
        failed(&self.sent).all(|it| {
            let in_flight = it.began <= *self.event.end() && *self.event.start() <= it.ended;
            let ambiguous = it.failure.as_ref().is_some_and(|failure| failure.ambiguous);
            it.written.is_some() && ambiguous && in_flight
        }) && self.gap() <= self.election + NOTICED
    }
}

pub(crate) fn failed(sent: &[Sent]) -> impl Iterator<Item = &Sent> {
    sent.iter().filter(|it| it.failure.is_some())
}

pub(crate) fn gaps(outcomes: &[Outcome]) -> Samples {
    outcomes.iter().map(Outcome::gap).collect()
}

/// What stands in the table.
pub(crate) fn figures(outcomes: &[Outcome]) -> String {
    let count =
        |outcome: &Outcome| f64::from(u32::try_from(failed(&outcome.sent).count()).unwrap());
    let failed: Samples = outcomes.iter().map(count).collect();
    let gaps = gaps(outcomes);
    format!(
        "{:.0} failed, max {:.0}; gap {}, max {}",
        failed.median(),
        failed.max(),
        seconds(gaps.median()),
        seconds(gaps.max())
    )
}

/// What does not fit into a table.
pub(crate) fn details(outcomes: &[Outcome]) -> String {
    let all: usize = outcomes.iter().map(|it| it.sent.len()).sum();
    let failures = || outcomes.iter().flat_map(|it| failed(&it.sent));
    let reads = failures().filter(|it| it.written.is_none()).count();
    let ambiguous = failures().filter(|it| it.failure.as_ref().is_some_and(|it| it.ambiguous));
    let elections: Samples = outcomes.iter().map(|it| it.election).collect();
    let lost: usize = outcomes.iter().filter_map(|it| it.lost).sum();
    let mut text = format!(
        "{} of {all} requests failed, {reads} of them reads, {} ambiguous; {lost} acknowledged \
         writes lost; another server led after {}, max {}",
        failures().count(),
        ambiguous.count(),
        seconds(elections.median()),
        seconds(elections.max()),
    );
    let dead = outcomes.iter().filter(|it| it.lost.is_none()).count();
    if dead > 0 {
        text += &format!(
            "; **in {dead} of {} runs the leader was dead-locked afterwards**",
            outcomes.len()
        );
    }
    format!("{text}.{}", reasons(failures()))
}

/// What clients of all of them were told, and how often.
pub(crate) fn reasons_of(outcomes: &[Outcome]) -> String {
    reasons(outcomes.iter().flat_map(|it| failed(&it.sent)))
}

/// What clients were told, and how often.
fn reasons<'a>(failures: impl Iterator<Item = &'a Sent>) -> String {
    let mut kinds = BTreeMap::<String, usize>::new();
    for failure in failures.filter_map(|it| it.failure.as_ref()) {
        let said: String = failure.said.chars().take(90).collect();
        *kinds.entry(said.replace('|', "/")).or_default() += 1;
    }
    let kinds = kinds.iter().map(|(said, times)| format!(" {times} x `{said}`"));
    let kinds: Vec<String> = kinds.take(6).collect();
    if kinds.is_empty() { String::new() } else { format!(" Told:{}.", kinds.join(",")) }
}
