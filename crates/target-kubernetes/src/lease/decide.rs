//! Whose turn it is (pure). Clocks of different machines are never compared: a Lease counts as
//! silent by the time that this process has seen it unchanged.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::object::version;

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    /// Who holds it; empty when nobody does.
    pub(super) holder: String,
    /// How long it lasts after the holder's last sign of life.
    lasts: Duration,
    /// How often it went to another holder.
    transitions: u64,
    /// Which state of the object this is.
    version: Option<String>,
}

/// A Lease, and since when it is known to be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) record: Record,
    pub(super) since: Instant,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Take it, or keep it.
    Claim,
    /// Look again after this time, or when it changes.
    Wait(Duration),
}

impl Record {
    pub(super) fn read(lease: &Value) -> Self {
        let spec = &lease["spec"];
        Self {
            holder: spec["holderIdentity"].as_str().unwrap_or_default().to_owned(),
            lasts: Duration::from_secs(spec["leaseDurationSeconds"].as_u64().unwrap_or_default()),
            transitions: spec["leaseTransitions"].as_u64().unwrap_or_default(),
            version: version(lease).map(str::to_owned),
        }
    }
}

pub(super) fn decide(seen: Option<&Seen>, me: &str, now: Instant) -> Decision {
    let Some(Seen { record, since }) = seen else { return Decision::Claim };
    if record.holder.is_empty() || record.holder == me {
        return Decision::Claim;
    }
    match record.lasts.checked_sub(now.saturating_duration_since(*since)) {
        Some(left) if !left.is_zero() => Decision::Wait(left),
        _ => Decision::Claim,
    }
}

/// The patch by which `me` takes or keeps the Lease, if it still is as in `before`.
pub(super) fn claim(before: &Record, me: &str, lasts: Duration, now: Timestamp) -> Value {
    let now = micro_time(now);
    let mut spec = json!({
        "holderIdentity": me, "leaseDurationSeconds": lasts.as_secs(), "renewTime": now,
    });
    if before.holder != me {
        // A Lease that has just been made was with nobody before.
        let changes = u64::from(before.version.is_some());
        spec["acquireTime"] = now.into();
        spec["leaseTransitions"] = (before.transitions + changes).into();
    }
    json!({"metadata": {"resourceVersion": before.version}, "spec": spec})
}

/// The patch by which the holder gives the Lease back.
pub(super) fn release(held: &Record) -> Value {
    json!({
        "metadata": {"resourceVersion": held.version},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
    })
}

/// `MicroTime`, which has six digits behind the point, no more and no fewer.
fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(13);

    fn seen(holder: &str, since: Instant) -> Seen {
        let version = Some("7".to_owned());
        Seen {
            record: Record { holder: holder.to_owned(), lasts: LASTS, transitions: 2, version },
            since,
        }
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken() {
        let now = Instant::now();
        assert_eq!(decide(None, "a", now), Decision::Claim);
        assert_eq!(decide(Some(&seen("", now)), "a", now), Decision::Claim);
    }

    #[test]
    fn the_holder_keeps_it_also_after_a_restart() {
        let now = Instant::now();
        assert_eq!(decide(Some(&seen("a", now)), "a", now), Decision::Claim);
    }

    #[test]
    fn another_ones_lease_is_taken_only_after_its_whole_silence() {
        let since = Instant::now();
        let lease = seen("b", since);
        let after = |seconds| decide(Some(&lease), "a", since + Duration::from_secs(seconds));
        assert_eq!(after(0), Decision::Wait(LASTS));
        assert_eq!(after(12), Decision::Wait(Duration::from_secs(1)));
        assert_eq!(after(13), Decision::Claim);
        assert_eq!(after(60), Decision::Claim);
    }

    #[test]
    fn a_claim_holds_only_for_what_was_seen() {
        let taken = claim(&seen("b", Instant::now()).record, "a", LASTS, Timestamp::UNIX_EPOCH);
        assert_eq!(taken["metadata"]["resourceVersion"], "7");
        assert_eq!(taken["spec"]["leaseTransitions"], 3);
        assert_eq!(taken["spec"]["renewTime"], "1970-01-01T00:00:00.000000Z");
        let kept = claim(&seen("a", Instant::now()).record, "a", LASTS, Timestamp::UNIX_EPOCH);
        assert_eq!(kept["spec"].get("acquireTime"), None);
    }

    #[test]
    fn a_lease_is_read_and_a_released_one_is_free() {
        let mut lease = release(&seen("a", Instant::now()).record);
        lease["spec"]["leaseTransitions"] = 2.into();
        let record = Record::read(&lease);
        assert!(record.holder.is_empty());
        assert_eq!((record.transitions, record.version.as_deref()), (2, Some("7")));
    }
}
