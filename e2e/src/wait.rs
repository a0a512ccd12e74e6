//! Waiting for a condition with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks, at least.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `look` sees it. Looks that take long, since they start a program, are taken less often:
/// the machine has what is waited for to do.
///
/// # Panics
/// When `within` has passed; `what` says what was waited for.
#[track_caller]
pub fn wait<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        let began = Instant::now();
        if let Some(seen) = look() {
            return seen;
        }
        let took = began.elapsed();
        assert!(Instant::now() < deadline, "waited {within:?} in vain: {what}");
        sleep(PAUSE.max(2 * took));
    }
}
