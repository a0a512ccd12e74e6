//! What a person has the unsealers do once: asked for in an annotation of the `VaultCluster`, and told of
//! in its status.
//!
//! It is done once at most. An unsealer says that it begins, the cluster controller writes that down, and
//! only an unsealer that has said so itself goes on from there. One that dies in the middle leaves it
//! begun, which whoever comes after it tells as failed: nothing is done twice that nobody asked for twice.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The annotation.
pub(crate) const ASKED: &str = "vaultyard.dev/operation";
/// The field of the status.
pub(crate) const FIELD: &str = "operation";

/// What was asked longer ago is not begun any more: nobody waits for it. It may stand in an object that was
/// brought back from a backup.
pub(crate) const WAITED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Work {
    /// Take a snapshot of the server that leads.
    TakeSnapshot,
    /// Decrypt one and hold it against its checksums.
    VerifySnapshot {
        /// Which.
        name: String,
    },
    /// Restore one into a throw-away server.
    ProveSnapshot {
        /// Which.
        name: String,
    },
    /// Put one in place of all data.
    RestoreSnapshot {
        /// Which.
        name: String,
    },
    /// Remove one.
    DeleteSnapshot {
        /// Which.
        name: String,
    },
    /// Make new shares.
    Rekey {
        /// How many, if not as many as there are.
        shares: Option<u8>,
        /// How many of them are enough, if not as many as now.
        threshold: Option<u8>,
    },
}

impl Work {
    /// The snapshot that it needs.
    pub(crate) fn snapshot(&self) -> Option<&str> {
        match self {
            Self::VerifySnapshot { name }
            | Self::ProveSnapshot { name }
            | Self::RestoreSnapshot { name }
            | Self::DeleteSnapshot { name } => Some(name),
            Self::TakeSnapshot | Self::Rekey { .. } => None,
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// When it was asked, which tells it from others.
    pub(crate) asked: Timestamp,
    /// For what.
    #[serde(flatten)]
    pub(crate) work: Work,
}

/// How far one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    /// Which.
    pub(crate) asked: Timestamp,
    /// How far.
    pub(crate) phase: Phase,
    /// The server whose unsealer does it.
    pub(crate) server: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
}

/// How far it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Somebody does it.
    Running,
    /// It was not done, or not to its end.
    Failed,
    /// It is done.
    Succeeded,
}

impl Progress {
    /// Whether it is newer than what stands in the status.
    pub(crate) fn is_news_after(&self, written: Option<&Self>) -> bool {
        let Some(written) = written else { return true };
        let over = self.phase != Phase::Running && written.phase == Phase::Running;
        // Who is written as the one that does it stays that one, until it is said to be gone.
        let by_whom = self.server == written.server || self.phase == Phase::Failed;
        self.asked > written.asked || self.asked == written.asked && over && by_whom
    }

    /// Whether somebody may still be at it.
    pub(crate) fn is_under_way(&self, now: Timestamp) -> bool {
        self.phase == Phase::Running && now.duration_since(self.asked) <= WAITED_FOR
    }
}

/// What is asked for, in this `VaultCluster`. A question that is not understood is none.
pub(crate) fn asked(object: &Value) -> Option<Operation> {
    let text = object["metadata"]["annotations"][ASKED].as_str()?;
    serde_json::from_str(text).ok()
}

/// How far the last one is, as its status says.
pub(crate) fn written(object: &Value) -> Option<Progress> {
    serde_json::from_value(object["status"][FIELD].clone()).ok()
}

/// What the status is given. Fields of the one before do not stay.
pub(crate) fn status(progress: &Progress) -> Value {
    let Progress { asked, phase, server, message, result } = progress;
    json!({FIELD: {
        "asked": asked, "phase": phase, "server": server, "message": message, "result": result,
    }})
}

/// What an unsealer does about a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is nothing to do, or it is another one's.
    Nothing,
    /// Tell this, and wait until it is written.
    Tell(Progress),
    /// Do it.
    Do(Operation),
}

/// Of the unsealer of `server`, which does what is `mine` and has told `told` last.
pub(crate) fn next(
    object: &Value,
    now: Timestamp,
    server: &str,
    mine: impl FnOnce(&Work) -> bool,
    told: Option<&Progress>,
) -> Next {
    let Some(operation) = asked(object) else { return Next::Nothing };
    let progress = |phase, message| Progress {
        asked: operation.asked,
        phase,
        server: server.to_owned(),
        message,
        result: None,
    };
    let told = told.filter(|told| told.asked == operation.asked);
    let late = now.duration_since(operation.asked) > WAITED_FOR;
    match written(object) {
        Some(written) if written.asked > operation.asked => Next::Nothing,
        Some(written) if written.asked == operation.asked => {
            let failed = |why: &str| Next::Tell(progress(Phase::Failed, Some(why.to_owned())));
            let (running, ours) = (written.phase == Phase::Running, written.server == server);
            match told.map(|told| told.phase) {
                Some(Phase::Running) if running && ours && late => {
                    failed("it was asked for too long ago: nobody waits for it any more")
                }
                Some(Phase::Running) if running && ours => Next::Do(operation),
                // Whoever said so is no more, or nobody knows any more.
                None if running && (ours || late && mine(&operation.work)) => failed(
                    "the unsealer that did it has ended in the middle: see how the cluster is, and ask again",
                ),
                _ => Next::Nothing,
            }
        }
        // One at a time.
        Some(written) if written.is_under_way(now) => Next::Nothing,
        _ if late => Next::Nothing,
        _ if told.is_none() && mine(&operation.work) => Next::Tell(progress(Phase::Running, None)),
        _ => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn next(
        object: &Value,
        server: &str,
        mine: impl FnOnce(&Work) -> bool,
        told: Option<&Progress>,
    ) -> Next {
        super::next(object, at(7), server, mine, told)
    }

    fn asks(second: i64) -> Value {
        let operation = Operation { asked: at(second), work: Work::TakeSnapshot };
        let text = serde_json::to_string(&operation).unwrap();
        json!({"metadata": {"annotations": {ASKED: text}}})
    }

    fn progress(second: i64, phase: Phase, server: &str) -> Progress {
        let server = server.to_owned();
        Progress { asked: at(second), phase, server, message: None, result: None }
    }

    fn with(mut object: Value, written: &Progress) -> Value {
        object["status"] = status(written);
        object
    }

    #[test]
    fn it_is_begun_by_whose_it_is_and_done_once_that_is_written() {
        let object = asks(5);
        assert_eq!(next(&object, "vault-1", |_| false, None), Next::Nothing);
        let running = progress(5, Phase::Running, "vault-1");
        assert_eq!(next(&object, "vault-1", |_| true, None), Next::Tell(running.clone()));
        // It is told, and not written yet.
        assert_eq!(next(&object, "vault-1", |_| true, Some(&running)), Next::Nothing);
        let object = with(object, &running);
        let done = next(&object, "vault-1", |_| true, Some(&running));
        assert_eq!(done, Next::Do(asked(&object).unwrap()));
        // Another one that has begun too does not do it.
        let other = progress(5, Phase::Running, "vault-2");
        assert_eq!(next(&object, "vault-2", |_| true, Some(&other)), Next::Nothing);
    }

    #[test]
    fn what_was_begun_by_one_that_is_gone_has_failed_and_what_is_over_stays_over() {
        let object = with(asks(5), &progress(5, Phase::Running, "vault-1"));
        let late = at(6) + WAITED_FOR;
        for (server, now) in [("vault-1", at(7)), ("vault-1", late), ("vault-2", late)] {
            let next = super::next(&object, now, server, |_| true, None);
            assert!(matches!(next, Next::Tell(told) if told.phase == Phase::Failed), "{server}");
        }
        // It may still be at it.
        assert_eq!(next(&object, "vault-2", |_| true, None), Next::Nothing);
        for phase in [Phase::Failed, Phase::Succeeded] {
            let object = with(asks(5), &progress(5, phase, "vault-1"));
            assert_eq!(next(&object, "vault-1", |_| true, None), Next::Nothing);
            // One from before that comes back, too.
            let object = with(asks(4), &progress(5, phase, "vault-1"));
            assert_eq!(next(&object, "vault-1", |_| true, None), Next::Nothing);
        }
        let later = with(asks(6), &progress(5, Phase::Succeeded, "vault-1"));
        let before = progress(5, Phase::Succeeded, "vault-1");
        assert!(matches!(next(&later, "vault-1", |_| true, Some(&before)), Next::Tell(_)));
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_done() {
        let late = at(6) + WAITED_FOR;
        assert_eq!(super::next(&asks(5), late, "vault-1", |_| true, None), Next::Nothing);
        let running = progress(5, Phase::Running, "vault-1");
        let object = with(asks(5), &running);
        let next = super::next(&object, late, "vault-1", |_| true, Some(&running));
        assert!(matches!(next, Next::Tell(told) if told.phase == Phase::Failed));
    }

    #[test]
    fn one_is_done_after_the_other() {
        let object = with(asks(900), &progress(800, Phase::Running, "vault-1"));
        let at_once = super::next(&object, at(901), "vault-2", |_| true, None);
        assert_eq!(at_once, Next::Nothing);
        let over = at(801) + WAITED_FOR;
        let next = super::next(&object, over, "vault-2", |_| true, None);
        assert!(matches!(next, Next::Tell(told) if told.phase == Phase::Running), "it never ends");
    }

    #[test]
    fn only_what_leads_on_is_written() {
        let running = progress(5, Phase::Running, "vault-1");
        let done = progress(5, Phase::Succeeded, "vault-1");
        assert!(running.is_news_after(None));
        assert!(done.is_news_after(Some(&running)));
        assert!(!running.is_news_after(Some(&running)));
        assert!(!running.is_news_after(Some(&done)));
        assert!(!progress(5, Phase::Failed, "vault-2").is_news_after(Some(&done)));
        // Of two that have begun, the one that was written first does it.
        let other = progress(5, Phase::Running, "vault-2");
        assert!(!other.is_news_after(Some(&running)));
        assert!(!progress(5, Phase::Succeeded, "vault-2").is_news_after(Some(&running)));
        assert!(progress(5, Phase::Failed, "vault-2").is_news_after(Some(&running)));
        assert!(progress(6, Phase::Running, "vault-2").is_news_after(Some(&done)));
        assert!(!progress(4, Phase::Succeeded, "vault-2").is_news_after(Some(&running)));
    }

    #[test]
    fn a_question_is_read_as_it_was_asked() {
        let work = Work::Rekey { shares: Some(7), threshold: None };
        let operation = Operation { asked: at(5), work };
        let text = serde_json::to_string(&operation).unwrap();
        let object = json!({"metadata": {"annotations": {ASKED: text}}});
        assert_eq!(asked(&object), Some(operation));
        assert_eq!(asked(&json!({"metadata": {"annotations": {ASKED: "now"}}})), None);
    }
}
