//! What the API server answers when it does not do what it was asked, kinds apart.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

/// A request that failed: what was to be done, and why it was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {act}: {reason}")]
pub struct ApiError {
    /// The act and its object: `apply the StatefulSet vault in the namespace vault`.
    pub act: String,
    /// Why.
    pub reason: Reason,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No answer: no route, no name, TLS that does not fit, a deadline.
    #[error(
        "the API server {address} cannot be reached: {error}; check the network and the address in the kubeconfig"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the system said.
        error: String,
    },
    /// 401.
    #[error(
        "the API server does not accept the credentials ({message}); they may have expired: log in anew"
    )]
    Credentials {
        /// What the server said.
        message: String,
    },
    /// 403, by whichever of the server's guards.
    #[error("{message}; {refused}")]
    Forbidden {
        /// What the server said.
        message: String,
        /// Which guard refused.
        refused: Refused,
    },
    /// 404 of an object.
    #[error("there is none")]
    NotFound,
    /// 404 of the namespace that the object would stand in.
    #[error("there is no namespace {name}; create it, or choose another")]
    NoNamespace {
        /// The namespace.
        name: String,
    },
    /// 404 of the kind itself.
    #[error(
        "this cluster does not know the kind {kind}; its definition is missing, or of another version: `vaultyard up` installs it"
    )]
    UnknownKind {
        /// Version and kind.
        kind: String,
    },
    /// 409: somebody else changed it, or owns fields of it.
    #[error("{message}; somebody else changed it at the same time")]
    Conflict {
        /// What the server said.
        message: String,
        /// Who owns which field, when that is why.
        fields: Vec<FieldConflict>,
    },
    /// 410: a watch or list continues from a version that the server has forgotten.
    #[error("its history is gone from the API server; it has to be read anew")]
    Expired,
    /// 400, 413, 415 and 422: it will not do, whoever asks.
    #[error("the API server finds it invalid: {message}")]
    Invalid {
        /// What the server said, fields named.
        message: String,
    },
    /// 429.
    #[error("the API server has too much to do; it asks to wait for {} s", retry_after.as_secs())]
    TooMany {
        /// For how long it asks to wait.
        retry_after: Duration,
    },
    /// 429 of an eviction: too few other pods are ready.
    #[error("{message}; it goes when more of the others are ready")]
    Budget {
        /// Which budget keeps it, and why.
        message: String,
    },
    /// 5xx.
    #[error("the API server failed ({code}): {message}; it may pass")]
    Server {
        /// The status code.
        code: u16,
        /// What it said.
        message: String,
        /// For how long it asks to wait, when it does.
        retry_after: Option<Duration>,
    },
    /// An answer that no API server gives.
    #[error(
        "the answer is not that of a Kubernetes API server ({what}); check the address in the kubeconfig"
    )]
    Strange {
        /// What is wrong with it.
        what: String,
    },
}

/// Which guard of the API server refused, and so what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Role-based access control.
    Rights,
    /// A ResourceQuota or LimitRange.
    Quota,
    /// The namespace's Pod Security level.
    PodSecurity,
    /// The namespace is being deleted.
    Terminating,
    /// A policy or webhook of the cluster's administrators.
    Admission,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rights => {
                "`vaultyard check --target kubernetes` lists the rights that a person lacks, and \
                 `vaultyard up` gives controllers theirs"
            }
            Self::Quota => "raise the namespace's quota, or ask for less in the document",
            Self::PodSecurity => "Vaultyard's pods meet the level `restricted`; find out what changes them, or let the \
                 namespace's level be wider",
            Self::Terminating => "wait until the namespace is gone, then try again",
            Self::Admission => "ask the cluster's administrators which policy refuses, and why",
        })
    }
}

impl Refused {
    pub(crate) fn from_message(message: &str) -> Self {
        let has = |part: &str| message.contains(part);
        if has("exceeded quota") || has("failed quota") || has("maximum ") && has(" usage per ") {
            Self::Quota
        } else if has("violates PodSecurity") {
            Self::PodSecurity
        } else if has("because it is being terminated") {
            Self::Terminating
        } else if has(" cannot ") && has(" resource ")
            || has("attempting to grant RBAC permissions")
        {
            Self::Rights
        } else {
            Self::Admission
        }
    }
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field manager that owns it.
    pub manager: String,
    /// The field: `.spec.replicas`.
    pub field: String,
}

impl ApiError {
    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.reason, Reason::NotFound)
    }

    /// Whether somebody else was faster.
    pub fn is_conflict(&self) -> bool {
        matches!(self.reason, Reason::Conflict { .. })
    }

    /// When the same request may succeed without anybody changing anything, the least time to wait
    /// before it; `None` when that is not to be hoped for.
    pub fn again_after(&self) -> Option<Duration> {
        match &self.reason {
            Reason::Unreachable { .. } => Some(Duration::ZERO),
            Reason::TooMany { retry_after } => Some(*retry_after),
            Reason::Server { retry_after, .. } => Some(retry_after.unwrap_or_default()),
            _ => None,
        }
    }

    /// The error of an answer with this status: its body is a `Status`, or what a proxy between
    /// wrote.
    pub(crate) fn from_answer(
        act: String,
        kind: String,
        code: StatusCode,
        header_wait: Option<Duration>,
        body: &Value,
    ) -> Self {
        let message = match body["message"].as_str() {
            Some(message) if !message.is_empty() => message.to_owned(),
            _ => code.to_string(),
        };
        let told = body["details"]["retryAfterSeconds"].as_u64().map(Duration::from_secs);
        let wait = header_wait.or(told);
        let reason = match code.as_u16() {
            401 => Reason::Credentials { message },
            403 => {
                let refused = Refused::from_message(&message);
                Reason::Forbidden { message, refused }
            }
            404 if body["details"]["kind"] == "namespaces" && !kind.ends_with(" Namespace") => {
                let name = body["details"]["name"].as_str().unwrap_or_default().to_owned();
                Reason::NoNamespace { name }
            }
            // An object that is missing is named; the answer for an unknown path names none.
            404 if body["details"]["name"].is_string() => Reason::NotFound,
            404 => Reason::UnknownKind { kind },
            409 => Reason::Conflict { message, fields: conflicts(body) },
            410 => Reason::Expired,
            429 if let Some(message) = budget(body) => Reason::Budget { message },
            429 => Reason::TooMany { retry_after: wait.unwrap_or(Duration::from_secs(1)) },
            // So it answers an apply with a field that it does not know.
            500 if message.starts_with("failed to create typed patch object") => {
                Reason::Invalid { message }
            }
            code @ 500..=599 => Reason::Server { code, message, retry_after: wait },
            400..=499 => Reason::Invalid { message },
            _ => Reason::Strange { what: message },
        };
        Self { act, reason }
    }
}

/// Why one thing of this kind was refused, as the details of the answer name it.
fn causes<'a>(status: &'a Value, reason: &'static str) -> impl Iterator<Item = &'a Value> {
    let causes = status["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    causes.iter().filter(move |cause| cause["reason"] == reason)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a PodDisruptionBudget says of an eviction that it refuses.
fn budget(status: &Value) -> Option<String> {
    causes(status, "DisruptionBudget").map(|cause| text(&cause["message"])).next()
}

/// The fields that others own, as a refused apply names them.
fn conflicts(status: &Value) -> Vec<FieldConflict> {
    let field = |cause: &Value| {
        // `conflict with "kubectl" using apps/v1`
        let message = text(&cause["message"]);
        let manager = message.split('"').nth(1).unwrap_or(&message).to_owned();
        FieldConflict { manager, field: text(&cause["field"]) }
    };
    causes(status, "FieldManagerConflict").map(field).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(code: u16, body: &Value) -> Reason {
        let code = StatusCode::from_u16(code).unwrap();
        let error =
            ApiError::from_answer("read it".to_owned(), "v1 Pod".to_owned(), code, None, body);
        error.reason
    }

    #[track_caller]
    fn refused(message: &str, expected: Refused) {
        let found = reason(403, &json!({"message": message}));
        assert_eq!(found, Reason::Forbidden { message: message.to_owned(), refused: expected });
    }

    #[test]
    fn the_guard_that_refuses_is_told() {
        refused(
            "secrets \"a\" is forbidden: User \"u\" cannot get resource \"secrets\" in API group \"\"",
            Refused::Rights,
        );
        refused("pods \"a\" is forbidden: exceeded quota: q, requested: pods=1", Refused::Quota);
        refused(
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot",
            Refused::PodSecurity,
        );
        refused(
            "secrets \"a\" is forbidden: unable to create new content in namespace n because it is \
             being terminated",
            Refused::Terminating,
        );
        refused(
            "statefulsets.apps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' denied",
            Refused::Admission,
        );
    }

    #[test]
    fn a_missing_object_is_told_from_a_missing_kind() {
        let object = json!({"details": {"name": "a", "kind": "secrets"}, "message": "not found"});
        assert_eq!(reason(404, &object), Reason::NotFound);
        let namespace = json!({"details": {"name": "n", "kind": "namespaces"}});
        assert_eq!(reason(404, &namespace), Reason::NoNamespace { name: "n".to_owned() });
        let kind =
            json!({"details": {}, "message": "the server could not find the requested resource"});
        assert_eq!(reason(404, &kind), Reason::UnknownKind { kind: "v1 Pod".to_owned() });
    }

    #[test]
    fn a_field_that_the_server_does_not_know_is_no_failure_that_passes() {
        let message = "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .dta: field not \
            declared in schema";
        let expected = Reason::Invalid { message: message.to_owned() };
        assert_eq!(reason(500, &json!({"message": message})), expected);
    }

    #[test]
    fn an_eviction_that_a_budget_refuses_is_told_from_a_busy_server() {
        let says = "The disruption budget vault needs 2 healthy pods and has 2 currently";
        let body = json!({"message": "Cannot evict pod as it would violate the pod's disruption budget.",
            "details": {"causes": [{"reason": "DisruptionBudget", "message": says}]}});
        assert_eq!(reason(429, &body), Reason::Budget { message: says.to_owned() });
        let busy = Reason::TooMany { retry_after: Duration::from_secs(1) };
        assert_eq!(reason(429, &json!({"message": "too many requests"})), busy);
    }

    #[test]
    fn a_conflict_names_owners_and_fields() {
        let body = json!({"message": "Apply failed with 1 conflict", "details": {"causes": [{
            "reason": "FieldManagerConflict", "field": ".spec.replicas",
            "message": "conflict with \"kubectl\" using apps/v1",
        }]}});
        let Reason::Conflict { fields, .. } = reason(409, &body) else { panic!() };
        let expected =
            FieldConflict { manager: "kubectl".to_owned(), field: ".spec.replicas".to_owned() };
        assert_eq!(fields, [expected]);
    }

    #[test]
    fn what_passes_by_itself_says_when_to_try_again() {
        let again = |code, body: Value| {
            ApiError { act: String::new(), reason: reason(code, &body) }.again_after()
        };
        let wait = json!({"details": {"retryAfterSeconds": 7}});
        assert_eq!(again(429, wait.clone()), Some(Duration::from_secs(7)));
        assert_eq!(again(503, wait), Some(Duration::from_secs(7)));
        assert_eq!(again(500, json!({})), Some(Duration::ZERO));
        for lasting in [400, 401, 403, 404, 409, 410, 422] {
            assert_eq!(again(lasting, json!({})), None, "{lasting}");
        }
    }
}
