//! How long to wait before the next attempt.

use std::time::Duration;

use crate::error::ApiError;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double with every failure in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure; at least for as long as the API server asked to.
    pub(crate) fn after(&mut self, error: Option<&ApiError>) -> Duration {
        let asked = error.and_then(ApiError::again_after).unwrap_or_default();
        // Ten doublings are beyond the longest wait.
        let wait = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait.max(asked)
    }

    /// Something has succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after(None).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.after(None), FIRST);
    }

    #[test]
    fn a_server_that_asks_for_more_time_gets_it() {
        let wait = Duration::from_secs(60);
        let reason = Reason::TooMany { retry_after: wait };
        let error = ApiError { act: String::new(), reason };
        assert_eq!(Backoff::default().after(Some(&error)), wait);
    }
}
