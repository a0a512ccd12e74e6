//! Events about one object, as `kubectl describe` shows them: what was last is kept in a few events of
//! fixed names, so that a Role can name them and they never pile up. Kubernetes forgets each an hour
//! after it was written.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::warn;

use crate::client::Api;
use crate::kind::EVENT;
use crate::object::Apply;
use crate::reference::Reference;

/// The longest message, in characters: the API server refuses longer ones in the newer form of events.
const LONGEST: usize = 1024;

/// Whether people should look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It is as it should be.
    Normal,
    /// It is not.
    Warning,
}

/// Writes events about one object.
pub struct Recorder {
    api: Api,
    manager: &'static str,
    about: Value,
    namespace: String,
    names: Vec<String>,
    next: AtomicUsize,
}

impl Recorder {
    /// For this object, under these names, one after the other and again from the first. `manager` is
    /// whose field they are and who is named as their source.
    pub fn new(api: Api, manager: &'static str, object: &Value, names: Vec<String>) -> Self {
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or_default().to_owned();
        let about = json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        });
        Self { api, manager, about, namespace, names, next: AtomicUsize::new(0) }
    }

    /// Tells it. That it cannot be told is logged and nothing more: what happened stands in the status
    /// too.
    ///
    /// Needs the rights to create and patch the events by their names.
    pub async fn tell(&self, severity: Severity, reason: &str, message: &str, now: Timestamp) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(name) = turn.checked_rem(self.names.len()).and_then(|at| self.names.get(at))
        else {
            return;
        };
        let event = Reference::within(EVENT, &self.namespace, name);
        let body = self.body(name, severity, reason, message, now);
        let apply = Apply { manager: self.manager, force: true, dry_run: false };
        if let Err(error) = self.api.apply_patch(&event, &apply, &body).await {
            warn!("{error}");
        }
    }

    fn body(
        &self,
        name: &str,
        severity: Severity,
        reason: &str,
        message: &str,
        now: Timestamp,
    ) -> Value {
        let kind = match severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        let now = format!("{now:.0}");
        json!({
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "involvedObject": self.about,
            "type": kind,
            "reason": reason,
            "message": message.chars().take(LONGEST).collect::<String>(),
            "source": {"component": self.manager},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        })
    }
}
