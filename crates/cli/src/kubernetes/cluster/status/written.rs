//! The status in the `VaultCluster`: written when it tells something new.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use vaultyard_model::status::{Phase, Status};
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::event::Severity;

use crate::control::wire;
use crate::kubernetes::cluster::MANAGER;

/// How often a status is written in which only numbers have changed.
const NUMBERS_EVERY: Duration = Duration::from_secs(120);

/// What was written last.
pub(super) struct Written {
    status: Value,
    /// When, unless somebody else wrote it.
    at: Option<Instant>,
    generation: Value,
}

impl Written {
    /// What an earlier controller has written stands.
    pub(super) fn new(declared: &Value) -> Self {
        let generation = declared["metadata"]["generation"].clone();
        Self { status: declared["status"].clone(), at: None, generation }
    }

    /// Writes a status that tells something new, and returns what is new in it for people. One that
    /// differs in numbers only can wait.
    pub(super) async fn write(
        &mut self,
        object: &ClusterObject,
        status: &Status,
        now: Timestamp,
    ) -> Option<News> {
        let status = whole(status, &self.generation, &self.status, now);
        let recently = self.at.is_some_and(|at| at.elapsed() < NUMBERS_EVERY);
        if self.status == status
            || recently && without_numbers(&self.status) == without_numbers(&status)
        {
            return None;
        }
        if let Err(error) = object.patch_status(MANAGER, &status).await {
            tracing::warn!("{error}");
            return None;
        }
        let news = News::between(&self.status, &status);
        (self.status, self.at) = (status, Some(Instant::now()));
        news
    }
}

/// What is worth an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) severity: Severity,
    /// The phase.
    pub(super) reason: String,
    /// The reason of the phase, in words.
    pub(super) message: String,
}

impl News {
    /// Another phase, or another reason why it is not `Ready`.
    fn between(before: &Value, after: &Value) -> Option<Self> {
        let text =
            |status: &Value, field: &str| status[field].as_str().unwrap_or_default().to_owned();
        let (phase, why) = (text(after, "phase"), text(after, "reason"));
        let ready = phase == Phase::Ready.as_str();
        if phase == text(before, "phase") && (ready || why == text(before, "reason")) {
            return None;
        }
        let expected = [Phase::Ready, Phase::Initialising, Phase::Pending, Phase::Upgrading];
        let expected = expected.iter().any(|it| it.as_str() == phase);
        let severity = if expected { Severity::Normal } else { Severity::Warning };
        Some(Self { severity, reason: phase, message: why })
    }
}

/// The fields of `status --output json`, and what readers of Kubernetes objects expect beside: of which
/// document it is the status, and since when each condition is as it is.
fn whole(status: &Status, generation: &Value, before: &Value, now: Timestamp) -> Value {
    let mut json = serde_json::to_value(wire::Status::from(status)).unwrap_or_default();
    json["observedGeneration"] = generation.clone();
    for condition in json["conditions"].as_array_mut().into_iter().flatten() {
        let all = before["conditions"].as_array().into_iter().flatten();
        let same = all
            .into_iter()
            .find(|old| old["type"] == condition["type"] && old["status"] == condition["status"]);
        let since = same.map(|old| old["lastTransitionTime"].clone()).filter(Value::is_string);
        condition["lastTransitionTime"] = since.unwrap_or_else(|| json!(format!("{now:.0}")));
    }
    json
}

/// The status without what changes all the time and tells nothing.
fn without_numbers(status: &Value) -> Value {
    let mut status = status.clone();
    let servers = status["servers"].as_array_mut().into_iter().flatten();
    servers.for_each(|server| server["appliedIndex"] = Value::Null);
    let controllers = status["controllers"].as_array_mut().into_iter().flatten();
    controllers.for_each(|controller| controller["lastSuccess"] = Value::Null);
    status
}

#[cfg(test)]
mod tests {
    use vaultyard_model::ClusterName;
    use vaultyard_model::status::{Condition, ControllerStatus};

    use super::*;

    fn status(ready: bool, last_success: i64) -> Status {
        let phase = if ready { Phase::Ready } else { Phase::Degraded };
        Status {
            name: ClusterName::new("vault").unwrap(),
            target: "kubernetes",
            phase,
            reason: String::new(),
            address: String::new(),
            servers: Vec::new(),
            controllers: vec![ControllerStatus {
                name: "unsealer",
                ready: true,
                last_success: Timestamp::from_second(last_success).ok(),
                last_error: None,
            }],
            conditions: vec![Condition {
                kind: "Ready",
                holds: ready,
                reason: phase.as_str(),
                message: String::new(),
            }],
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn since(status: &Value) -> &str {
        status["conditions"][0]["lastTransitionTime"].as_str().unwrap()
    }

    #[test]
    fn another_phase_is_news_and_so_is_another_reason_of_a_trouble() {
        let status = |phase: &str, why: &str| json!({"phase": phase, "reason": why});
        let news = |before: &Value, after: &Value| {
            News::between(before, after).map(|news| (news.severity, news.reason, news.message))
        };
        let (ready, sealed) = (status("Ready", "0 leads"), status("Degraded", "1: it is sealed"));
        let warning = |why: &str| Some((Severity::Warning, "Degraded".into(), why.into()));
        assert_eq!(news(&ready, &sealed), warning("1: it is sealed"));
        assert_eq!(news(&sealed, &sealed), None);
        assert_eq!(news(&sealed, &status("Degraded", "no leader")), warning("no leader"));
        assert_eq!(news(&ready, &status("Ready", "2 leads")), None);
        let normal = Some((Severity::Normal, "Ready".into(), "0 leads".into()));
        assert_eq!(news(&Value::Null, &ready), normal);
    }

    #[test]
    fn a_condition_tells_since_when_it_is_as_it_is() {
        let first = whole(&status(true, 1), &json!(7), &Value::Null, at(60));
        assert_eq!(first["observedGeneration"], 7);
        assert_eq!(since(&first), "1970-01-01T00:01:00Z");
        let still = whole(&status(true, 2), &json!(7), &first, at(90));
        assert_eq!(since(&still), "1970-01-01T00:01:00Z");
        let other = whole(&status(false, 3), &json!(7), &still, at(120));
        assert_eq!(since(&other), "1970-01-01T00:02:00Z");
    }

    #[test]
    fn the_time_of_the_last_success_alone_is_no_news() {
        let first = whole(&status(true, 1), &json!(1), &Value::Null, at(60));
        let later = whole(&status(true, 99), &json!(1), &first, at(90));
        assert_ne!(first, later);
        assert_eq!(without_numbers(&first), without_numbers(&later));
        let worse = whole(&status(false, 1), &json!(1), &first, at(90));
        assert_ne!(without_numbers(&first), without_numbers(&worse));
    }
}
