//! Whether a leaf is still the right one, and why not. Pure: the same input, the same answer.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::inspect::Certificate;
use crate::sign::backdating;
use crate::wanted::Wanted;

/// Whether a certificate's age calls for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Not before this moment.
    Not {
        /// Two thirds of the lifetime.
        at: Timestamp,
    },
    /// Two thirds of its lifetime are over, or the clock stands before its validity.
    Now,
    /// Its validity is over.
    Expired,
}

/// What a certificate's age calls for at `now`.
///
/// The clock may have jumped. Backwards, behind `not_before`: nobody with the same clock accepts
/// the certificate, so it is due at once. Forwards: due, or expired, by what the clock says now.
/// A certificate that ends before it begins is expired.
pub fn due(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> Due {
    let at = renewal(not_before, not_after);
    if now >= not_after {
        Due::Expired
    } else if now < not_before || now >= at {
        Due::Now
    } else {
        Due::Not { at }
    }
}

/// The moment at which two thirds of the lifetime are over.
pub fn renewal(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let two_thirds = not_after.duration_since(not_before) / 3 * 2;
    not_before.checked_add(two_thirds).unwrap_or(not_after)
}

/// The moment at which time alone makes [`reason`] call for a new leaf. One that ends with its
/// issuer is not renewed before its end.
pub fn next(leaf: &Certificate, issuer_not_after: Timestamp) -> Timestamp {
    if leaf.not_after < issuer_not_after {
        renewal(leaf.not_before, leaf.not_after)
    } else {
        leaf.not_after
    }
}

/// Why a leaf is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is none.
    Missing,
    /// What is there cannot be read, or its key is another's.
    Damaged,
    /// It is valid for other names or addresses than are wanted.
    Names,
    /// Its subject is another.
    CommonName,
    /// It is good for something else.
    Usage,
    /// Another authority issued it.
    Issuer,
    /// It is valid longer than is wanted.
    Lifetime,
    /// Two thirds of its lifetime are over.
    Age,
    /// Its validity is over.
    Expired,
    /// The clock stands before its validity.
    NotYetValid,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there was none",
            Self::Damaged => "the files were damaged or did not fit each other",
            Self::Names => "other names or addresses are wanted",
            Self::CommonName => "another common name is wanted",
            Self::Usage => "another usage is wanted",
            Self::Issuer => "another authority had issued it",
            Self::Lifetime => "a shorter lifetime is wanted",
            Self::Age => "two thirds of its lifetime are over",
            Self::Expired => "it has expired",
            Self::NotYetValid => "the clock stands before its validity",
        })
    }
}

/// Who would issue the next leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issuer {
    /// Whether it issued the present leaf as well.
    pub same: bool,
    /// The end of its own validity, which no leaf outlives.
    pub not_after: Timestamp,
}

/// Why `leaf` must be replaced at `now`; `None` when it is what is wanted.
///
/// A leaf that already ends with its issuer is not renewed for its age: the next one would end at
/// the same moment.
pub fn reason(
    leaf: &Certificate,
    wanted: &Wanted,
    issuer: Issuer,
    now: Timestamp,
) -> Option<Reason> {
    if !issuer.same {
        return Some(Reason::Issuer);
    }
    if leaf.usages != [wanted.usage.as_str()] {
        return Some(Reason::Usage);
    }
    if leaf.common_name.as_deref() != Some(wanted.common_name.as_str()) {
        return Some(Reason::CommonName);
    }
    if leaf.sans != wanted.sans() {
        return Some(Reason::Names);
    }
    if leaf.not_after.duration_since(leaf.not_before) > longest(wanted.lifetime) {
        return Some(Reason::Lifetime);
    }
    match due(leaf.not_before, leaf.not_after, now) {
        Due::Expired => Some(Reason::Expired),
        Due::Now if now < leaf.not_before => Some(Reason::NotYetValid),
        Due::Now if leaf.not_after < issuer.not_after => Some(Reason::Age),
        Due::Now | Due::Not { .. } => None,
    }
}

/// The longest validity that a leaf of this lifetime is issued with. The last second is for the
/// fractions that certificates do not keep.
fn longest(lifetime: Duration) -> SignedDuration {
    let whole =
        lifetime.saturating_add(backdating(lifetime)).saturating_add(Duration::from_secs(1));
    SignedDuration::try_from(whole).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vaultyard_model::DnsName;

    use super::*;
    use crate::Usage;

    const BEGIN: i64 = 1_800_000_000;
    const MONTH: i64 = 30 * 86_400;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn wanted() -> Wanted {
        Wanted {
            usage: Usage::Server,
            common_name: "vault-0".to_owned(),
            dns_names: vec![DnsName::new("vault-0").unwrap()],
            addresses: vec!["127.0.0.11".parse().unwrap()],
            lifetime: Duration::from_secs(MONTH.unsigned_abs()),
        }
    }

    fn leaf() -> Certificate {
        Certificate {
            subject: "CN=vault-0".to_owned(),
            common_name: Some("vault-0".to_owned()),
            issuer: "CN=servers".to_owned(),
            sans: wanted().sans(),
            serial: "01".to_owned(),
            not_before: at(BEGIN),
            not_after: at(BEGIN + MONTH),
            is_ca: false,
            usages: vec!["serverAuth".to_owned()],
            fingerprint: String::new(),
        }
    }

    fn same() -> Issuer {
        Issuer { same: true, not_after: at(BEGIN + 100 * MONTH) }
    }

    #[test]
    fn a_leaf_is_due_at_two_thirds_of_its_lifetime() {
        let when = |now| due(at(BEGIN), at(BEGIN + MONTH), at(now));
        let two_thirds = BEGIN + MONTH / 3 * 2;
        assert_eq!(when(BEGIN), Due::Not { at: at(two_thirds) });
        assert_eq!(when(two_thirds - 1), Due::Not { at: at(two_thirds) });
        assert_eq!(when(two_thirds), Due::Now);
        assert_eq!(when(BEGIN + MONTH - 1), Due::Now);
        assert_eq!(when(BEGIN + MONTH), Due::Expired);
        assert_eq!(when(BEGIN - 1), Due::Now);
    }

    #[test]
    fn a_leaf_as_wanted_is_kept() {
        assert_eq!(reason(&leaf(), &wanted(), same(), at(BEGIN + 10)), None);
    }

    #[test]
    fn each_difference_has_its_reason() {
        let now = at(BEGIN + 10);
        let changed = |change: fn(&mut Wanted)| {
            let mut wanted = wanted();
            change(&mut wanted);
            reason(&leaf(), &wanted, same(), now)
        };
        assert_eq!(changed(|w| w.usage = Usage::Client), Some(Reason::Usage));
        assert_eq!(changed(|w| w.common_name = "vault-1".to_owned()), Some(Reason::CommonName));
        assert_eq!(changed(|w| w.addresses.clear()), Some(Reason::Names));
        assert_eq!(changed(|w| w.dns_names.clear()), Some(Reason::Names));
        assert_eq!(changed(|w| w.lifetime /= 2), Some(Reason::Lifetime));
        assert_eq!(changed(|w| w.lifetime *= 2), None);
        let other = Issuer { same: false, ..same() };
        assert_eq!(reason(&leaf(), &wanted(), other, now), Some(Reason::Issuer));
    }

    #[test]
    fn time_has_its_reasons() {
        let when = |now| reason(&leaf(), &wanted(), same(), at(now));
        assert_eq!(when(BEGIN + MONTH / 3 * 2), Some(Reason::Age));
        assert_eq!(when(BEGIN + MONTH), Some(Reason::Expired));
        assert_eq!(when(BEGIN - 1), Some(Reason::NotYetValid));
    }

    #[test]
    fn a_leaf_that_ends_with_its_issuer_is_kept_to_its_end() {
        let ending = Issuer { same: true, not_after: leaf().not_after };
        let when = |now| reason(&leaf(), &wanted(), ending, at(now));
        assert_eq!(when(BEGIN + MONTH - 1), None);
        assert_eq!(when(BEGIN + MONTH), Some(Reason::Expired));
    }

    #[test]
    fn nothing_is_due_before_the_next_moment_and_something_at_it() {
        for issuer in [same(), Issuer { same: true, not_after: leaf().not_after }] {
            let next = next(&leaf(), issuer.not_after);
            let second = SignedDuration::from_secs(1);
            assert_eq!(reason(&leaf(), &wanted(), issuer, next - second), None);
            assert!(reason(&leaf(), &wanted(), issuer, next).is_some());
        }
    }

    fn moments() -> impl Strategy<Value = Timestamp> {
        let whole = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
        let near = BEGIN - MONTH..=BEGIN + 3 * MONTH;
        prop_oneof![whole.prop_map(at), near.prop_map(at)]
    }

    proptest! {
        #[test]
        fn wherever_the_clock_jumps_the_answer_fits_it(
            not_before in moments(), not_after in moments(), now in moments(),
        ) {
            match due(not_before, not_after, now) {
                Due::Not { at } => {
                    prop_assert!(not_before <= now && now < at && at <= not_after);
                    prop_assert_ne!(due(not_before, not_after, at), Due::Not { at });
                }
                Due::Now => {
                    let late = now >= renewal(not_before, not_after);
                    prop_assert!(now < not_after && (now < not_before || late));
                }
                Due::Expired => prop_assert!(now >= not_after),
            }
        }

        #[test]
        fn within_the_validity_time_only_makes_it_more_urgent(
            not_before in moments(), not_after in moments(), one in moments(), two in moments(),
        ) {
            let urgency = |now| match due(not_before, not_after, now) {
                Due::Not { .. } => 0,
                Due::Now => 1,
                Due::Expired => 2,
            };
            let (early, late) = (one.min(two).max(not_before), one.max(two).max(not_before));
            prop_assert!(urgency(early) <= urgency(late));
        }
    }
}
