//! How many requests were held, and which of those of the last hour the longest.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is older is of no interest to whoever asks about what has just happened.
const KEPT: Duration = Duration::from_secs(3600);

/// Every hold that has ended.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    count: u64,
    /// When each ended and how long it was; a hold that a later one exceeds is the longest of no time that goes on
    /// until now, and is left out. So the first is the longest.
    longest: VecDeque<(Instant, Duration)>,
}

/// What there is to tell of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// How many requests were held since the proxy began.
    pub count: u64,
    /// The longest that one was held in the time that was asked about.
    pub longest: Duration,
}

impl Holds {
    /// One ended now.
    pub(crate) fn note(&self, now: Instant, lasted: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        while state.longest.back().is_some_and(|(_, other)| *other <= lasted) {
            state.longest.pop_back();
        }
        state.longest.push_back((now, lasted));
        while state.longest.front().is_some_and(|(ended, _)| now.duration_since(*ended) > KEPT) {
            state.longest.pop_front();
        }
    }

    /// Those that ended since `from`, at most an hour ago.
    pub(crate) fn since(&self, from: Instant) -> Waits {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut later = state.longest.iter().filter(|(ended, _)| *ended >= from);
        Waits {
            count: state.count,
            longest: later.next().map(|(_, lasted)| *lasted).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_the_time_that_is_asked_about_is_told() {
        let (holds, began) = (Holds::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(holds.since(began), Waits::default());
        for (ended, lasted) in [(1, 30), (2, 10), (3, 20), (4, 5)] {
            holds.note(at(ended), Duration::from_millis(lasted));
        }
        let longest = |from| holds.since(at(from)).longest.as_millis();
        assert_eq!([0, 2, 3, 4, 5].map(longest), [30, 20, 20, 5, 0]);
        assert_eq!(holds.since(at(9)).count, 4);
        holds.note(at(3602), Duration::from_millis(1));
        assert_eq!(longest(0), 20, "the first is forgotten");
    }
}
