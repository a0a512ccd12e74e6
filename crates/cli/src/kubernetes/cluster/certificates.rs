//! What the certificates controller says by its Lease: that it is at work, or why it cannot be. Nobody
//! else would tell before the certificates end.

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use vaultyard_engine::keeping;
use vaultyard_model::port::keeper::Waiting;
use vaultyard_target_kubernetes::{ApiError, lease};

/// The Lease as it was seen last.
pub(super) struct CertificatesController {
    lease: Option<Value>,
    /// When it was seen to change; `None` when its last sign of life was old at the first look already.
    heard: Option<Instant>,
    /// What it says now, and what it has said twice in a row: a failure of a moment is no news, nor is
    /// it when the next one that leads does not know yet whether he can work.
    says: Option<String>,
    told: Option<String>,
    /// Why it cannot be looked at.
    unseen: Option<String>,
    /// Where its pods are.
    operations: String,
}

impl CertificatesController {
    pub(super) fn new(operations: &str, now: Instant) -> Self {
        Self {
            lease: None,
            heard: Some(now),
            says: None,
            told: None,
            unseen: None,
            operations: operations.to_owned(),
        }
    }

    /// Takes what the watch of the Lease says, at `now`, which by the clock on the wall is `time`.
    pub(super) fn take(
        &mut self,
        seen: Result<Option<Value>, ApiError>,
        now: Instant,
        time: Timestamp,
    ) {
        let lease = match seen {
            Ok(lease) => lease,
            Err(error) => {
                self.unseen = Some(error.to_string());
                return;
            }
        };
        self.unseen = None;
        if lease == self.lease {
            return;
        }
        let first = self.lease.is_none();
        let says = lease.as_ref().and_then(lease::hindrance).map(str::to_owned);
        if first || says == self.says {
            self.told = says.clone();
        }
        let old = first && lease.as_ref().is_some_and(|lease| lease::is_doubtful(lease, time));
        self.heard = (!old).then_some(now);
        (self.says, self.lease) = (says, lease);
    }

    /// What keeps certificates from being kept; `None` when nothing does.
    pub(super) fn hindrance(&self, now: Instant) -> Option<keeping::Report> {
        let silent = self.heard.is_none_or(|heard| now.duration_since(heard) > lease::DOUBTFUL);
        let reason = match (silent, &self.unseen) {
            (false, _) => self.told.clone()?,
            (true, Some(why)) => {
                format!("nobody knows whether a certificates controller is at work: {why}")
            }
            (true, None) => {
                let sign = self.lease.as_ref().and_then(lease::last_sign);
                let since = sign.map(|sign| format!(" since {sign}")).unwrap_or_default();
                format!(
                    "no certificates controller has been at work{since}: look at its pods in the \
                     namespace {}, and whether they reach the API server",
                    self.operations
                )
            }
        };
        let waiting = Some(Waiting { reason, stuck: false });
        Some(keeping::Report { last_success: None, waiting, begun: true })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;
    use serde_json::json;
    use vaultyard_target_kubernetes::Reason;

    use super::*;

    const SIGN: &str = "2026-11-29T04:00:00.000000Z";

    /// A controller that a test tells what its Lease is, so many seconds after the begin.
    struct Scene {
        began: Instant,
        controller: CertificatesController,
    }

    impl Scene {
        fn new() -> Self {
            let began = Instant::now();
            Self { began, controller: CertificatesController::new("operations", began) }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.began + Duration::from_secs(seconds)
        }

        fn take(&mut self, version: &str, why: Option<&str>, seconds: u64, age: i64) {
            let lease = json!({
                "metadata": {
                    "resourceVersion": version, "annotations": {"vaultyard.dev/hindrance": why},
                },
                "spec": {"renewTime": SIGN},
            });
            let time = SIGN.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(age);
            let now = self.at(seconds);
            self.controller.take(Ok(Some(lease)), now, time);
        }

        fn reason(&self, seconds: u64) -> Option<String> {
            Some(self.controller.hindrance(self.at(seconds))?.waiting?.reason)
        }
    }

    #[test]
    fn it_may_not_have_begun_yet_and_then_says_nothing_any_more() {
        let mut scene = Scene::new();
        assert_eq!(scene.reason(30), None);
        let silent = scene.reason(31).unwrap();
        assert!(silent.contains("at work: look") && silent.contains("operations"), "{silent}");
        scene.take("1", None, 40, 0);
        assert_eq!(scene.reason(70), None);
        scene.take("1", None, 69, 29);
        let silent = scene.reason(71).unwrap();
        assert!(silent.contains("since 2026-11-29T04:00:00"), "{silent}");
    }

    #[test]
    fn it_has_been_silent_for_long_when_it_is_first_looked_at() {
        let mut scene = Scene::new();
        scene.take("1", None, 0, 31);
        assert!(scene.reason(0).is_some());
        scene.take("2", None, 4, 60);
        assert_eq!(scene.reason(4), None, "it lives, whatever its clock says");
    }

    #[test]
    fn what_it_says_is_told_when_it_has_said_so_twice() {
        let mut scene = Scene::new();
        let gone = Some("the authority is gone");
        scene.take("1", gone, 0, 0);
        assert_eq!(
            scene.reason(0).as_deref(),
            gone,
            "it has said so for long, for all that is known"
        );
        scene.take("2", None, 4, 4);
        assert_eq!(scene.reason(4).as_deref(), gone, "another leads, and does not know yet");
        scene.take("3", gone, 8, 8);
        assert_eq!(scene.reason(8).as_deref(), gone);
        scene.take("4", None, 12, 12);
        scene.take("5", None, 16, 16);
        assert_eq!(scene.reason(16), None);
        scene.take("6", gone, 20, 20);
        assert_eq!(scene.reason(20), None, "it may be a matter of a moment");
    }

    #[test]
    fn who_may_not_look_says_so() {
        let mut scene = Scene::new();
        scene.take("1", None, 0, 0);
        let error = ApiError { act: "watch the Lease".to_owned(), reason: Reason::Expired };
        scene.controller.take(Err(error), scene.at(10), SIGN.parse().unwrap());
        assert_eq!(scene.reason(30), None);
        let unseen = scene.reason(31).unwrap();
        assert!(unseen.contains("nobody knows") && unseen.contains("watch the Lease"), "{unseen}");
    }
}
