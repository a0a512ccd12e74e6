//! Pods in words: why one is not ready, and how its containers live. Pure: from what the API server
//! says.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use vaultyard_model::observed::{LastEnd, ProcessSeen};

use crate::error::Refused;

mod container;
mod scheduling;

use container::crash;
pub use scheduling::NoRoom;

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// It could not even be made.
    NotCreated {
        /// What the API server said.
        message: String,
        /// Which guard refused, and so what to do.
        refused: Refused,
    },
    /// It is on its way out.
    Deleted,
    /// The node threw it out, or was shut down.
    Evicted {
        /// Why.
        message: String,
    },
    /// No node takes it; how many, and why.
    NoNode(Vec<NoRoom>),
    /// An image cannot be had.
    Image {
        /// The image.
        image: String,
        /// What the registry or the node said.
        message: String,
    },
    /// A Secret or ConfigMap that it needs is not there.
    Missing {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A volume cannot be mounted.
    Volume {
        /// What the node said.
        message: String,
    },
    /// A container cannot be started.
    NotStarted {
        /// The container.
        container: String,
        /// What the node said.
        message: String,
    },
    /// A container ends again and again.
    Crashes {
        /// The container.
        container: String,
        /// How it last ended.
        end: String,
        /// How often it was started again.
        restarts: u64,
    },
    /// The node prepares it.
    Starting,
    /// A container runs and does not say that it is ready.
    NotReady {
        /// The container.
        container: String,
    },
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCreated { message, refused } => {
                write!(f, "cannot be created: {message}; {refused}")
            }
            Self::Deleted => f.write_str("is being deleted"),
            Self::Evicted { message } => write!(f, "was ended by its node: {message}"),
            Self::NoNode(reasons) => {
                let claim = |reason: &NoRoom| matches!(reason, NoRoom::Claim { .. });
                let do_this = match reasons.iter().all(claim) {
                    true => "see to the StorageClass of its claim",
                    false => "make room on one, or add one",
                };
                let reasons: Vec<_> = reasons.iter().map(NoRoom::to_string).collect();
                write!(f, "waits: no node takes it ({}); {do_this}", reasons.join("; "))
            }
            Self::Image { image, message } => {
                write!(
                    f,
                    "waits: the image {image} cannot be pulled: {message}; see that its registry \
                     has it and lets the nodes have it"
                )
            }
            Self::Missing { kind, name } => write!(f, "waits for the {kind} {name}"),
            Self::Volume { message } => write!(f, "waits for its volume: {message}"),
            Self::NotStarted { container, message } => {
                write!(f, "waits: its container {container} cannot be started: {message}")
            }
            Self::Crashes { container, end, restarts } => {
                write!(f, "fails: its container {container} {end}, after {restarts} restarts")
            }
            Self::Starting => f.write_str("is being started"),
            Self::NotReady { container } => {
                write!(f, "runs; its container {container} is not ready yet")
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The states of its containers, in the order in which they start.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |list| items(&pod["status"][list]).iter();
    of("initContainerStatuses").chain(of("containerStatuses"))
}

fn condition<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    items(&pod["status"]["conditions"]).iter().find(|condition| condition["type"] == name)
}

/// Why the pod is not ready; `None` when it is. `events` are those about the pod and about its volume
/// claims; without them less is known.
pub fn waits(pod: &Value, events: &[Value]) -> Option<Waits> {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return Some(Waits::Deleted);
    }
    if pod["status"]["phase"] == "Failed" {
        let said = [&pod["status"]["message"], &pod["status"]["reason"]];
        let message = said.into_iter().find_map(Value::as_str).unwrap_or("it has failed");
        return Some(Waits::Evicted { message: message.to_owned() });
    }
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|it| it["status"] == "False") {
        let reasons = scheduling::reasons(&text(&scheduled["message"]), events);
        return Some(Waits::NoNode(reasons));
    }
    if let Some(held) = containers(pod).find_map(container_waits) {
        return Some(held);
    }
    if condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    let running = |it: &&Value| it["state"]["running"].is_object() && it["ready"] == false;
    let preparing = containers(pod).any(|it| it["state"]["waiting"].is_object());
    if let Some(mounting) = last_event(pod, events, &["FailedMount", "FailedAttachVolume"])
        && (preparing || containers(pod).next().is_none())
    {
        return Some(mounting_waits(&mounting));
    }
    match containers(pod).find(running) {
        Some(container) if !preparing => {
            Some(Waits::NotReady { container: text(&container["name"]) })
        }
        _ => Some(Waits::Starting),
    }
}

/// Why there is no such pod, from the events about the StatefulSet that should make it.
pub fn not_created(pod: &str, events: &[Value]) -> Option<Waits> {
    let quoted = [format!("\"{pod}\" is"), format!("Pod {pod} ")];
    refused(events, |event| {
        let message = event["message"].as_str().unwrap_or_default();
        quoted.iter().any(|name| message.contains(name))
    })
}

/// Why a Deployment has no pod, from the events about its ReplicaSets.
pub fn none_created(deployment: &str, events: &[Value]) -> Option<Waits> {
    let own = format!("{deployment}-");
    refused(events, |event| {
        let object = &event["involvedObject"];
        let name = object["name"].as_str().unwrap_or_default();
        object["kind"] == "ReplicaSet" && name.starts_with(&own)
    })
}

fn refused(events: &[Value], about: impl Fn(&Value) -> bool) -> Option<Waits> {
    let refused = events.iter().filter(|event| event["reason"] == "FailedCreate" && about(event));
    let whole = text(&refused.max_by_key(|event| when(event))?["message"]);
    let said = whole.split_once(" error: ").or_else(|| whole.split_once("Error creating: "));
    let message = said.map_or(whole.as_str(), |(_, said)| said).to_owned();
    let refused = Refused::from_message(&message);
    Some(Waits::NotCreated { message, refused })
}

/// How one of the pod's containers lives. The ids that processes have on their nodes are not known
/// here: one that runs is `Elsewhere`.
pub fn process(pod: &Value, container: &str) -> ProcessSeen {
    let status = containers(pod).find(|it| it["name"] == container);
    container::process(status, pod["metadata"]["deletionTimestamp"].is_string())
}

/// How one of the pod's containers last ended, as long as the pod lives.
pub fn last_end(pod: &Value, container: &str) -> Option<LastEnd> {
    let status = containers(pod).find(|it| it["name"] == container)?;
    container::last_end(status)
}

/// What keeps this container from running, if anything does.
fn container_waits(status: &Value) -> Option<Waits> {
    let waiting = &status["state"]["waiting"];
    let container = text(&status["name"]);
    let message = text(&waiting["message"]);
    match waiting["reason"].as_str().unwrap_or_default() {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
            Some(Waits::Image { image: text(&status["image"]), message })
        }
        "CreateContainerConfigError" => {
            Some(missing(&message).unwrap_or(Waits::NotStarted { container, message }))
        }
        "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            Some(Waits::NotStarted { container, message })
        }
        "CrashLoopBackOff" => Some(Waits::Crashes {
            container,
            end: crash(status),
            restarts: status["restartCount"].as_u64().unwrap_or_default(),
        }),
        _ => None,
    }
}

fn mounting_waits(message: &str) -> Waits {
    missing(message).unwrap_or_else(|| Waits::Volume { message: message.to_owned() })
}

/// `secret "a" not found`, wherever it stands in the message.
fn missing(message: &str) -> Option<Waits> {
    let named = |before: &str| {
        let (_, rest) = message.split_once(before)?;
        let (name, rest) = rest.split_once('"')?;
        rest.starts_with(" not found").then(|| name.to_owned())
    };
    let secret = named("secret \"").map(|name| Waits::Missing { kind: "Secret", name });
    secret.or_else(|| named("configmap \"").map(|name| Waits::Missing { kind: "ConfigMap", name }))
}

/// The message of the last of the pod's own events with one of these reasons.
fn last_event(pod: &Value, events: &[Value], reasons: &[&str]) -> Option<String> {
    let uid = &pod["metadata"]["uid"];
    let about = |event: &&Value| {
        event["involvedObject"]["uid"] == *uid
            && reasons.iter().any(|reason| event["reason"] == *reason)
    };
    let last = events.iter().filter(about).max_by_key(|event| when(event))?;
    Some(text(&last["message"]))
}

/// When an event last happened. Which field holds it depends on who noted it.
fn when(event: &Value) -> Option<Timestamp> {
    let fields =
        [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    fields.into_iter().find_map(|field| field.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;
