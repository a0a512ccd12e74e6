//! Waiting for a condition with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `look` sees it.
///
/// # Panics
/// When `within` has passed; `what` says what was waited for.
#[track_caller]
pub fn wait<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain: {what}");
        sleep(PAUSE);
    }
}
