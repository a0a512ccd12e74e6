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
    /// Whether an audit device is to be enabled.
    pub audit: bool,
    /// Whether `secret/` is wanted.
    pub secret_mount: bool,
    /// What is wanted for service accounts, as a fingerprint; `None` when they do not log in.
    pub service_accounts: Option<String>,
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
        /// What was set up for service accounts, as a fingerprint.
        service_accounts: Option<String>,
    },
    /// It cannot be told now.
    Unknown(String),
}

const INTENT: &str = "generation";
const AT: &str = "root_gone_since";
const SERVICE_ACCOUNTS: &str = "service_accounts";

impl Marker {
    /// The fields that stand in the cluster.
    pub fn fields(
        keys: &Generation,
        at: Timestamp,
        service_accounts: Option<String>,
    ) -> BTreeMap<String, String> {
        let fields = [(INTENT, keys.intent.to_string()), (AT, at.to_string())];
        let service_accounts = service_accounts.map(|print| (SERVICE_ACCOUNTS, print));
        let fields = fields.into_iter().chain(service_accounts);
        fields.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Whether all was done for these keys: the last steps prove the way back in with them.
    pub fn is_of(&self, keys: &Generation) -> bool {
        matches!(self, Self::Present { intent, .. } if intent == keys.intent.as_str())
    }

    /// What the fields say. Fields that say nothing are as if there were none: the work is done
    /// again.
    pub fn from_fields(fields: &BTreeMap<String, String>) -> Self {
        let at = fields.get(AT).and_then(|text| text.parse().ok());
        match (fields.get(INTENT), at) {
            (Some(intent), Some(at)) => {
                let service_accounts = fields.get(SERVICE_ACCOUNTS).cloned();
                Self::Present { intent: intent.clone(), at, service_accounts }
            }
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
    /// No root token stands since then, and something else is still to be done: remember that and
    /// decide again.
    MakeUp(Timestamp),
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
    // What the mark says is done stays done; what came later is made up for.
    if seen.memory.marked.is_some() {
        return Decision::Do(next(seen, Step::follows_a_mark));
    }
    // A process that has begun does not ask what stands in the cluster again.
    if seen.memory.done.is_empty() {
        match &seen.marker {
            None => return Decision::Look(Look::Marker),
            Some(Marker::Unknown(why)) => return Decision::Hold(Reason::Unknown(why.clone())),
            Some(Marker::Present { intent, at, service_accounts })
                if intent == seen.keys.intent.as_str() =>
            {
                let wanted = &seen.service_accounts;
                return if wanted.is_none() || wanted == service_accounts {
                    Decision::Established(*at)
                } else {
                    Decision::MakeUp(*at)
                };
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
    let wanted = |step: &Step| match step {
        Step::EnableAudit => seen.audit,
        Step::MountSecret => seen.secret_mount,
        Step::AllowServiceAccounts => seen.service_accounts.is_some(),
        _ => true,
    };
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
            audit: true,
            secret_mount: true,
            service_accounts: Some("new".to_owned()),
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
        let rest = [
            Step::ProveLogins,
            Step::ProveWayBack,
            Step::Sweep,
            Step::AllowServiceAccounts,
            Step::Mark,
        ];
        for step in rest {
            assert_eq!(decide(&seen), Decision::Do(step));
            seen.memory.done.insert(step);
        }
    }

    #[test]
    fn the_marker_of_these_keys_ends_it_and_another_does_not() {
        let at = Timestamp::from_second(5).unwrap();
        let mut seen = seen();
        let fields = Marker::fields(&seen.keys, at, seen.service_accounts.clone());
        seen.marker = Some(Marker::from_fields(&fields));
        assert_eq!(decide(&seen), Decision::Established(at));
        let intent = "other".to_owned();
        let service_accounts = seen.service_accounts.clone();
        seen.marker = Some(Marker::Present { intent, at, service_accounts });
        assert_eq!(decide(&seen), Decision::Do(Step::ALL[0]));
    }

    #[test]
    fn what_a_marked_cluster_lacks_for_service_accounts_is_made_up_and_nothing_else() {
        let at = Timestamp::from_second(5).unwrap();
        for before in [None, Some("old".to_owned())] {
            let mut seen = seen();
            seen.marker = Some(Marker::from_fields(&Marker::fields(&seen.keys, at, before)));
            assert_eq!(decide(&seen), Decision::MakeUp(at));
            seen.memory.marked = Some(at);
            for step in [Step::AllowServiceAccounts, Step::Mark] {
                assert_eq!(decide(&seen), Decision::Do(step));
                seen.memory.done.insert(step);
            }
        }
    }

    #[test]
    fn where_service_accounts_do_not_log_in_nothing_is_done_for_them() {
        let at = Timestamp::from_second(5).unwrap();
        let mut seen = Seen { service_accounts: None, ..seen() };
        let steps = Step::ALL.into_iter().filter(|step| *step != Step::AllowServiceAccounts);
        for step in steps {
            assert_eq!(decide(&seen), Decision::Do(step));
            seen.memory.done.insert(step);
        }
        seen.memory.done.clear();
        for marked in [None, Some("old".to_owned())] {
            seen.marker = Some(Marker::from_fields(&Marker::fields(&seen.keys, at, marked)));
            assert_eq!(decide(&seen), Decision::Established(at));
        }
    }
}
