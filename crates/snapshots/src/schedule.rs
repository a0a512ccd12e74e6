//! When a snapshot is to be taken by itself, and which are too many. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vaultyard_keys::record::Generation;

use crate::folder::{Kept, Name};

/// Whether the next one is due: the newest is as old as `interval`, or there is none.
pub fn is_due(newest: Option<Timestamp>, interval: Duration, now: Timestamp) -> bool {
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    newest.is_none_or(|newest| now.duration_since(newest) >= interval)
}

/// Those that count where new ones are kept: in the folder all; in a bucket, which may hold those of a cluster of
/// the same name too, those that the keys of `ours` open.
pub fn counting(all: Vec<Kept>, ours: Option<&Generation>) -> Vec<Kept> {
    let counts = |kept: &Kept| match (ours, &kept.elsewhere) {
        (Some(ours), Some(_)) => kept.header.as_ref().is_ok_and(|it| it.generation == *ours),
        // What lies in the folder of before, or was cut off on its way, displaces none in the bucket.
        (Some(_), None) => false,
        (None, _) => true,
    };
    all.into_iter().filter(counts).collect()
}

/// When the newest was begun, of those that say what they are. One of the future, from before the clock was
/// set back, says nothing of how old the newest is.
pub fn newest(all: &[Kept], now: Timestamp) -> Option<Timestamp> {
    let taken = all.iter().filter_map(|kept| Some(kept.header.as_ref().ok()?.taken));
    taken.filter(|taken| *taken <= now).max()
}

/// Those that were taken by themselves and are older than the newest `retain` of them.
pub fn surplus(all: &[Kept], retain: usize) -> Vec<Name> {
    let scheduled =
        all.iter().filter(|kept| kept.header.as_ref().is_ok_and(|header| header.scheduled));
    let mut names: Vec<_> = scheduled.map(|kept| kept.name.clone()).collect();
    names.sort();
    names.truncate(names.len().saturating_sub(retain));
    names
}

#[cfg(test)]
mod tests {
    use vaultyard_keys::record::IntentId;
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;
    use crate::file::{FileError, Header};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn kept(second: i64, scheduled: bool) -> Kept {
        let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
        let header = Header {
            cluster: "vault".to_owned(),
            taken: at(second),
            server: "vault-0".to_owned(),
            version: "2.7.2".to_owned(),
            generation: Generation { attempt: 1, intent },
            rekey: None,
            scheduled,
        };
        Kept {
            name: Name::at(at(second)),
            bytes: 1,
            header: Ok(header),
            proven: None,
            elsewhere: None,
        }
    }

    #[test]
    fn one_is_due_when_the_newest_is_old_or_of_the_future() {
        let hour = Duration::from_secs(3600);
        assert!(is_due(None, hour, at(0)));
        assert!(!is_due(Some(at(100)), hour, at(3699)));
        assert!(is_due(Some(at(100)), hour, at(3700)));
    }

    #[test]
    fn a_clock_that_was_set_back_has_one_taken_and_not_one_after_the_other() {
        let (minute, mut all) = (Duration::from_secs(60), vec![kept(9000, true)]);
        for second in 1..200 {
            if is_due(newest(&all, at(second)), minute, at(second)) {
                all.push(kept(second, true));
            }
        }
        assert_eq!(all.len(), 5, "the one of the future, and one a minute");
    }

    #[test]
    fn in_a_bucket_only_what_the_own_keys_open_and_lies_there_counts() {
        let random = SeededRandom::new(2);
        let ours = Generation { attempt: 1, intent: IntentId::random(&random).unwrap() };
        let all = || {
            let mut all = vec![kept(1, true), kept(2, true), kept(3, true), kept(4, true)];
            for at in [0, 1, 3] {
                all[at].elsewhere = Some("bucket".to_owned());
            }
            for at in [1, 2] {
                all[at].header.as_mut().unwrap().generation = ours.clone();
            }
            all[3].header = Err(FileError::Changed);
            all
        };
        let names = |all: &[Kept]| all.iter().map(|kept| kept.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&counting(all(), Some(&ours))), [Name::at(at(2))]);
        assert_eq!(counting(all(), None).len(), 4);
    }

    #[test]
    fn only_what_was_taken_by_itself_is_ever_too_much() {
        let mut all: Vec<_> = [1, 2, 3, 4].map(|second| kept(second, second != 2)).into();
        all.push(Kept { header: Err(FileError::Changed), ..kept(0, true) });
        let names = |seconds: &[i64]| -> Vec<_> {
            seconds.iter().map(|second| Name::at(at(*second))).collect()
        };
        assert_eq!(surplus(&all, 1), names(&[1, 3]));
        assert_eq!(surplus(&all, 2), names(&[1]));
        assert_eq!(surplus(&all, 3), []);
        assert_eq!(newest(&all, at(4)), Some(at(4)));
        assert_eq!(newest(&all, at(3)), Some(at(3)));
    }
}
