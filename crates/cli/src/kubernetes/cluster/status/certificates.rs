//! What the certificates controller says by its Lease: that it is at work, or why it cannot be. Nobody
//! else would tell before the certificates end.

use serde_json::Value;
use tokio::time::Instant;
use vaultyard_engine::keeping;
use vaultyard_model::port::keeper::Waiting;
use vaultyard_target_kubernetes::lease;

/// The Lease as it was seen last.
pub(super) struct CertificatesController {
    lease: Option<Value>,
    /// When it was seen to change.
    since: Instant,
    /// Where its pods are.
    operations: String,
}

impl CertificatesController {
    pub(super) fn new(operations: &str, now: Instant) -> Self {
        Self { lease: None, since: now, operations: operations.to_owned() }
    }

    pub(super) fn take(&mut self, lease: Option<Value>, now: Instant) {
        if lease != self.lease {
            (self.lease, self.since) = (lease, now);
        }
    }

    /// What keeps certificates from being kept; `None` when nothing does.
    pub(super) fn hindrance(&self, now: Instant) -> Option<keeping::Report> {
        let seen = self.lease.as_ref();
        let reason = if now.duration_since(self.since) > lease::DOUBTFUL {
            let sign = seen.and_then(lease::last_sign);
            let since = sign.map(|sign| format!(" since {sign}")).unwrap_or_default();
            format!(
                "no certificates controller has been at work{since}: look at its pods in the \
                 namespace {}",
                self.operations
            )
        } else {
            lease::hindrance(seen?)?.to_owned()
        };
        let waiting = Some(Waiting { reason, stuck: false });
        Some(keeping::Report { last_success: None, waiting, begun: true })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn lease(version: &str, why: Option<&str>) -> Option<Value> {
        Some(json!({
            "metadata": {
                "resourceVersion": version, "annotations": {"vaultyard.dev/hindrance": why},
            },
            "spec": {"renewTime": "2026-11-29T04:00:00.000000Z"},
        }))
    }

    fn reason(controller: &CertificatesController, now: Instant) -> Option<String> {
        Some(controller.hindrance(now)?.waiting?.reason)
    }

    #[test]
    fn it_is_hindered_by_what_it_says_itself_and_when_it_says_nothing_any_more() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut controller = CertificatesController::new("operations", began);
        assert_eq!(reason(&controller, at(30)), None, "it may not have begun yet");
        let silent = reason(&controller, at(31)).unwrap();
        assert!(silent.contains("at work: look") && silent.contains("operations"), "{silent}");

        controller.take(lease("1", None), at(40));
        assert_eq!(reason(&controller, at(70)), None);
        controller.take(lease("1", None), at(69));
        let silent = reason(&controller, at(71)).unwrap();
        assert!(silent.contains("since 2026-11-29T04:00:00"), "{silent}");

        controller.take(lease("2", Some("the authority is gone")), at(80));
        assert_eq!(reason(&controller, at(81)).as_deref(), Some("the authority is gone"));
        controller.take(lease("3", None), at(90));
        assert_eq!(reason(&controller, at(91)), None);
    }
}
