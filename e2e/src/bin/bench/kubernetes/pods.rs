//! The pods of a namespace, told as they change. Looking again and again would start a program each
//! time and take the processors from what is measured.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Deserializer, Value};

use crate::process::Owned;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is known of the pods of a namespace.
pub(super) struct Pods {
    known: BTreeMap<String, Value>,
    events: Receiver<(Instant, Value)>,
    /// Ended last, with its owner.
    _kubectl: Owned,
}

impl Pods {
    /// Watches from now on; the namespace need not be there.
    pub(super) fn watch(namespace: &str) -> Self {
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["get", "pods", "--watch", "--output-watch-events", "-o", "json"]);
        kubectl.args(["--namespace", namespace]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut kubectl = Owned::spawn(&mut kubectl);
        let said = kubectl.child().stdout.take().unwrap();
        let (tell, events) = channel();
        std::thread::spawn(move || {
            let events = Deserializer::from_reader(said).into_iter::<Value>();
            for event in events.map_while(Result::ok) {
                if tell.send((Instant::now(), event)).is_err() {
                    return;
                }
            }
        });
        Self { known: BTreeMap::new(), events, _kubectl: kubectl }
    }

    /// Waits until `look` finds something in the pods, and gives the moment in which that was told.
    #[track_caller]
    pub(super) fn until<T>(
        &mut self,
        what: &str,
        look: impl Fn(&BTreeMap<String, Value>) -> Option<T>,
    ) -> (Instant, T) {
        let deadline = Instant::now() + PATIENCE;
        let mut at = Instant::now();
        loop {
            if let Some(found) = look(&self.known) {
                return (at, found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((told, mut event)) = self.events.recv_timeout(left) else {
                panic!("not within {PATIENCE:?}: {what}");
            };
            at = told;
            let pod = event["object"].take();
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if event["type"] == "DELETED" {
                self.known.remove(&name);
            } else {
                self.known.insert(name, pod);
            }
        }
    }
}

/// Whether Kubernetes counts a pod as ready.
pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// What is known of one container of a pod.
pub(super) fn container<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    let mut all = pod["status"]["containerStatuses"].as_array()?.iter();
    all.find(|container| container["name"] == name)
}
