//! Pure: what was written, against what is there. Each write has a key of its own and was sent
//! once, so its key has exactly one version when it was applied once.

use std::collections::BTreeMap;

/// What a client knows of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with success: it must be there, once.
    Acknowledged,
    /// Answered with "not now", or never sent: it must not be there.
    Refused(String),
    /// Nobody can say: it may be there, once.
    Unknown(String),
}

/// One write.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Used by this write alone.
    pub key: String,
    /// What was written.
    pub value: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What the store holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How often the key was written.
    pub versions: u64,
    /// The last value.
    pub value: String,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Acknowledged, and not there.
    Lost(String),
    /// Sent once, applied several times.
    Repeated {
        /// The key.
        key: String,
        /// How often it was applied.
        times: u64,
    },
    /// There, with a value that nobody wrote under this key.
    Altered(String),
    /// The client was told that it was not done, and it was.
    DoneAlthoughRefused(String),
}

/// Every broken promise, in the order of the writes.
#[must_use]
pub fn faults(written: &[Entry], found: &BTreeMap<String, Found>) -> Vec<Fault> {
    written.iter().filter_map(|entry| fault(entry, found.get(&entry.key))).collect()
}

fn fault(entry: &Entry, found: Option<&Found>) -> Option<Fault> {
    let key = || entry.key.clone();
    match (&entry.outcome, found) {
        (Outcome::Acknowledged, None) => Some(Fault::Lost(key())),
        (_, None) => None,
        (Outcome::Refused(_), Some(_)) => Some(Fault::DoneAlthoughRefused(key())),
        (_, Some(found)) if found.versions > 1 => {
            Some(Fault::Repeated { key: key(), times: found.versions })
        }
        (_, Some(found)) => (found.value != entry.value).then(|| Fault::Altered(key())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(outcome: Outcome, found: Option<(u64, &str)>, expected: &[Fault]) {
        let written = [Entry { key: "k".to_owned(), value: "v".to_owned(), outcome }];
        let found = found.map(|(versions, value)| Found { versions, value: value.to_owned() });
        let found = found.map(|found| ("k".to_owned(), found)).into_iter().collect();
        assert_eq!(faults(&written, &found), expected);
    }

    fn refused() -> Outcome {
        Outcome::Refused("503".to_owned())
    }

    fn unknown() -> Outcome {
        Outcome::Unknown("reset".to_owned())
    }

    #[test]
    fn an_acknowledged_write_is_there_once() {
        check(Outcome::Acknowledged, Some((1, "v")), &[]);
    }

    #[test]
    fn a_lost_write_is_noticed() {
        check(Outcome::Acknowledged, None, &[Fault::Lost("k".to_owned())]);
    }

    #[test]
    fn a_write_applied_twice_is_noticed_whatever_the_client_was_told() {
        let twice = [Fault::Repeated { key: "k".to_owned(), times: 2 }];
        check(Outcome::Acknowledged, Some((2, "v")), &twice);
        check(unknown(), Some((2, "v")), &twice);
    }

    #[test]
    fn an_altered_value_is_noticed() {
        check(Outcome::Acknowledged, Some((1, "w")), &[Fault::Altered("k".to_owned())]);
    }

    #[test]
    fn a_write_of_unknown_fate_may_be_there_or_not() {
        check(unknown(), None, &[]);
        check(unknown(), Some((1, "v")), &[]);
    }

    #[test]
    fn a_refused_write_is_not_there() {
        check(refused(), None, &[]);
        check(refused(), Some((1, "v")), &[Fault::DoneAlthoughRefused("k".to_owned())]);
    }
}
