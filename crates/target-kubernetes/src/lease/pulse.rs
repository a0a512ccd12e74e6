//! Whether anybody leads, for one who only looks.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::RENEW_EVERY;
use super::decide::Record;
use crate::client::Api;
use crate::error::ApiError;
use crate::reference::Reference;

/// A leader that has given no sign of life for so long is doubted: by then another would have taken over
/// from one that is gone.
pub const DOUBTFUL: Duration = Duration::from_secs(30);
/// How long a second look waits for the next sign of life.
const PATIENCE: Duration = RENEW_EVERY.saturating_add(Duration::from_secs(2));

/// What a Lease says of those who agree upon it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Somebody leads.
    Beats,
    /// Nobody does.
    Still {
        /// The last sign of life, by the clock of who gave it; `None` when there never was one.
        since: Option<Timestamp>,
    },
}

/// Looks at the Lease, and again some seconds later when its last sign of life seems to be old: clocks
/// of different machines may differ, so only a Lease that does not change is one that nobody holds.
///
/// Needs the right to get the Lease.
///
/// # Errors
/// [`ApiError`].
pub async fn pulse(api: &Api, lease: &Reference, now: Timestamp) -> Result<Pulse, ApiError> {
    let first = Sign::of(api.get(lease).await?.as_ref());
    if first.is_fresh(now) {
        return Ok(Pulse::Beats);
    }
    tokio::time::sleep(PATIENCE).await;
    Ok(Sign::of(api.get(lease).await?.as_ref()).judge(&first))
}

/// The last sign of life in this Lease, by the clock of who gave it.
pub fn last_sign(lease: &Value) -> Option<Timestamp> {
    lease["spec"]["renewTime"].as_str()?.parse().ok()
}

/// Whether the last sign of life in this Lease is so old, by this clock, that its holder is doubted.
pub fn is_doubtful(lease: &Value, now: Timestamp) -> bool {
    is_old(last_sign(lease), now)
}

fn is_old(sign: Option<Timestamp>, now: Timestamp) -> bool {
    // A clock that is ahead of ours gives a negative age, which is young.
    let age = |at| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    sign.is_none_or(|at| age(at) >= DOUBTFUL)
}

/// What one look at the Lease has shown.
#[derive(Debug, Default)]
struct Sign {
    record: Record,
    at: Option<Timestamp>,
}

impl Sign {
    fn of(lease: Option<&Value>) -> Self {
        lease.map_or_else(Self::default, |lease| Self {
            record: Record::read(lease),
            at: last_sign(lease),
        })
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        !self.record.holder.is_empty() && !is_old(self.at, now)
    }

    /// What it means when `before` was seen so long ago that every leader has renewed it since.
    fn judge(&self, before: &Self) -> Pulse {
        if self.record.holder.is_empty() || self.record == before.record {
            Pulse::Still { since: self.at }
        } else {
            Pulse::Beats
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    const AT: &str = "2026-11-29T04:00:00.000000Z";

    fn sign(holder: &str, version: &str) -> Sign {
        Sign::of(Some(&json!({
            "metadata": {"resourceVersion": version},
            "spec": {"holderIdentity": holder, "renewTime": AT},
        })))
    }

    fn after(seconds: i64) -> Timestamp {
        AT.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_recent_sign_of_life_is_believed_at_once_and_so_is_one_from_a_clock_ahead() {
        assert!(sign("a", "1").is_fresh(after(29)));
        assert!(sign("a", "1").is_fresh(after(-3600)));
        assert!(!sign("a", "1").is_fresh(after(30)));
        assert!(!sign("", "1").is_fresh(after(1)), "given back, and taken by nobody");
        assert!(!Sign::of(None).is_fresh(after(1)));
    }

    #[test]
    fn only_a_lease_that_nobody_renews_counts_as_silent() {
        let since = Some(AT.parse().unwrap());
        assert_eq!(sign("a", "1").judge(&sign("a", "1")), Pulse::Still { since });
        assert_eq!(sign("", "2").judge(&sign("a", "1")), Pulse::Still { since });
        assert_eq!(sign("a", "2").judge(&sign("a", "1")), Pulse::Beats);
        assert_eq!(sign("b", "2").judge(&Sign::of(None)), Pulse::Beats);
        assert_eq!(Sign::of(None).judge(&Sign::of(None)), Pulse::Still { since: None });
    }
}
