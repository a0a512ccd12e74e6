//! What is done next for access, and why. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Memory;
use super::step::Step;
use crate::record::Generation;

/// All that a decision is made from. What was not looked at is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What this process has done.
    pub memory: Memory,
    /// Whose keys are stored.
    pub keys: Generation,
    /// Whether `secret/` is wanted.
    pub secret_mount: bool,
    /// What stands in the cluster.
    pub marker: Option<Marker>,
    /// How the first root token is.
    pub root: Option<Root>,
}

/// What stands in the cluster about access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// Nothing, or the login that reads it does not work yet.
    Absent,
    /// All was done for this generation at this time.
    Present {
        /// Whose root token was revoked.
        intent: String,
        /// When that was proven.
        at: Timestamp,
    },
    /// It cannot be told now.
    Unknown(String),
}

const INTENT: &str = "generation";
const AT: &str = "root_gone_since";

impl Marker {
    /// The fields that stand in the cluster.
    pub fn fields(keys: &Generation, at: Timestamp) -> BTreeMap<String, String> {
        let fields = [(INTENT, keys.intent.to_string()), (AT, at.to_string())];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// What the fields say. Fields that say nothing are as if there were none: the work is done
    /// again.
    pub fn from_fields(fields: &BTreeMap<String, String>) -> Self {
        let at = fields.get(AT).and_then(|text| text.parse().ok());
        match (fields.get(INTENT), at) {
            (Some(intent), Some(at)) => Self::Present { intent: intent.clone(), at },
            _ => Self::Absent,
        }
    }
}

/// How the first root token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The server takes it.
    Lives,
    /// The server refuses it.
    Gone,
    /// It cannot be told now.
    Unknown(String),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Look at this and decide again.
    Look(Look),
    /// Do this.
    Do(Step),
    /// It does not go on now.
    Hold(Reason),
    /// Nothing is to be done; no root token stands since then.
    Established(Timestamp),
}

/// Something that was not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What stands in the cluster.
    Marker,
    /// How the first root token is.
    Root,
}

/// Why it does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The server cannot say.
    #[error("the active server cannot say how access is: the server {0}")]
    Unknown(String),
    /// A step failed; it is tried again.
    #[error("{step}: {why}")]
    Failed {
        /// Which.
        step: Step,
        /// Why.
        why: String,
    },
}

/// The next step, or what keeps it back.
pub fn decide(seen: &Seen) -> Decision {
    if let Some(at) = seen.memory.established {
        return Decision::Established(at);
    }
    // A process that has begun does not ask what stands in the cluster again.
    if seen.memory.done.is_empty() {
        match &seen.marker {
            None => return Decision::Look(Look::Marker),
            Some(Marker::Unknown(why)) => return Decision::Hold(Reason::Unknown(why.clone())),
            Some(Marker::Present { intent, at }) if intent == seen.keys.intent.as_str() => {
                return Decision::Established(*at);
            }
            Some(Marker::Present { .. } | Marker::Absent) => {}
        }
    }
    let next = next(seen, |_| true);
    if !next.needs_root() {
        return Decision::Do(next);
    }
    match &seen.root {
        None => Decision::Look(Look::Root),
        Some(Root::Unknown(why)) => Decision::Hold(Reason::Unknown(why.clone())),
        // We revoke it only after everything that needs it was proven, but somebody else may have.
        // So the proofs that need none are made again.
        Some(Root::Gone) => Decision::Do(self::next(seen, |step| !step.needs_root())),
        Some(Root::Lives) => Decision::Do(next),
    }
}

/// The first step among these that is not done.
fn next(seen: &Seen, among: impl Fn(Step) -> bool) -> Step {
    let wanted = |step: &Step| *step != Step::MountSecret || seen.secret_mount;
    let open = |step: &Step| among(*step) && !seen.memory.done.contains(step);
    // After the last step the process has only to read what it has written.
    Step::ALL.into_iter().filter(wanted).find(open).unwrap_or(Step::Mark)
}

#[cfg(test)]
mod tests {
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;
    use crate::record::IntentId;

    fn seen() -> Seen {
        let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
        Seen {
            memory: Memory::default(),
            keys: Generation { attempt: 1, intent },
            secret_mount: true,
            marker: Some(Marker::Absent),
            root: Some(Root::Lives),
        }
    }

    #[test]
    fn a_new_cluster_goes_through_all_steps_in_order() {
        let mut seen = seen();
        for step in Step::ALL {
            assert_eq!(decide(&seen), Decision::Do(step));
            seen.memory.done.insert(step);
            if step == Step::RevokeRoot {
                seen.root = Some(Root::Gone);
            }
        }
    }

    #[test]
    fn root_is_revoked_only_after_both_ways_in_were_proven() {
        for proof in [Step::ProveLogins, Step::ProveWayBack] {
            let mut seen = seen();
            seen.memory.done =
                Step::ALL.into_iter().filter(|step| *step < Step::RevokeRoot).collect();
            assert_eq!(decide(&seen), Decision::Do(Step::RevokeRoot));
            seen.memory.done.remove(&proof);
            assert_eq!(decide(&seen), Decision::Do(proof));
        }
    }

    #[test]
    fn a_process_that_finds_root_gone_and_no_marker_proves_both_ways_in_before_it_marks() {
        let mut seen = Seen { root: Some(Root::Gone), ..seen() };
        for step in [Step::ProveLogins, Step::ProveWayBack, Step::Sweep, Step::Mark] {
            assert_eq!(decide(&seen), Decision::Do(step));
            seen.memory.done.insert(step);
        }
    }

    #[test]
    fn the_marker_of_these_keys_ends_it_and_another_does_not() {
        let at = Timestamp::from_second(5).unwrap();
        let mut seen = seen();
        seen.marker = Some(Marker::from_fields(&Marker::fields(&seen.keys, at)));
        assert_eq!(decide(&seen), Decision::Established(at));
        seen.marker = Some(Marker::Present { intent: "other".to_owned(), at });
        assert_eq!(decide(&seen), Decision::Do(Step::ALL[0]));
    }
}
