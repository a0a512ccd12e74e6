//! Why no node takes a pod: the scheduler's sentence, taken apart.

use std::fmt;

use serde_json::Value;

use super::text;

/// One reason, and for how many nodes it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoom {
    /// They have too little left of something.
    Short {
        /// How many nodes.
        nodes: u32,
        /// `cpu`, `memory`, ...
        resource: String,
    },
    /// They are in a zone, or are a node, that holds another server of the cluster.
    Taken {
        /// How many nodes.
        nodes: u32,
    },
    /// They are not in the zones that it may stand in.
    OtherZone {
        /// How many nodes.
        nodes: u32,
    },
    /// They have no free volume for its claim.
    NoVolume {
        /// How many nodes.
        nodes: u32,
    },
    /// The volume that it has cannot be reached from them.
    VolumeElsewhere {
        /// How many nodes.
        nodes: u32,
    },
    /// They take no new pods.
    Closed {
        /// How many nodes.
        nodes: u32,
        /// The taint, or that they are cordoned.
        why: String,
    },
    /// Its claim gets no volume, wherever it would run.
    Claim {
        /// What was said of it.
        message: String,
    },
    /// Something else, in the scheduler's own words.
    Other(String),
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, says) = match self {
            Self::Short { nodes, resource } => (nodes, format!("too little {resource}")),
            Self::Taken { nodes } => (nodes, "in a zone that holds another server".to_owned()),
            Self::OtherZone { nodes } => {
                (nodes, "outside the zones that it may stand in".to_owned())
            }
            Self::NoVolume { nodes } => (nodes, "without room for its volume".to_owned()),
            Self::VolumeElsewhere { nodes } => {
                (nodes, "from which its volume cannot be reached".to_owned())
            }
            Self::Closed { nodes, why } => (nodes, format!("closed to new pods ({why})")),
            Self::Claim { message } => return write!(f, "its claim has no volume: {message}"),
            Self::Other(words) => return f.write_str(words),
        };
        write!(f, "{nodes} {says}")
    }
}

/// The reasons in `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) ... . preemption: ...`, with
/// what events say of the claims.
pub(super) fn reasons(message: &str, events: &[Value]) -> Vec<NoRoom> {
    let claim = events.iter().rfind(|event| event["reason"] == "ProvisioningFailed");
    if let Some(claim) = claim {
        return vec![NoRoom::Claim { message: text(&claim["message"]) }];
    }
    let Some((_, reasons)) = message.split_once("nodes are available: ") else {
        return vec![NoRoom::Other(message.to_owned())];
    };
    // What follows tells of preemption and of claims for devices.
    let reasons = reasons.split_once(". ").map_or(reasons, |(reasons, _)| reasons);
    reasons.trim_end_matches('.').split(", ").map(reason).collect()
}

fn reason(words: &str) -> NoRoom {
    let other = || NoRoom::Other(words.to_owned());
    if words.contains("PersistentVolumeClaim") || words.contains("persistentvolumeclaim") {
        return NoRoom::Claim { message: words.to_owned() };
    }
    let Some((nodes, why)) = words.split_once(' ') else { return other() };
    let Ok(nodes) = nodes.parse() else { return other() };
    let has = |part: &str| why.contains(part);
    if let Some(resource) = why.strip_prefix("Insufficient ") {
        NoRoom::Short { nodes, resource: resource.to_owned() }
    } else if has("anti-affinity") || has("topology spread constraints") {
        NoRoom::Taken { nodes }
    } else if has("volume node affinity conflict") {
        NoRoom::VolumeElsewhere { nodes }
    } else if has("available persistent volumes to bind") || has("not have enough free storage") {
        NoRoom::NoVolume { nodes }
    } else if has("node affinity/selector") {
        NoRoom::OtherZone { nodes }
    } else if let Some((_, taint)) = why.split_once("untolerated taint ") {
        let taint = taint.trim_matches(['{', '}', '(', ')', ' ']).trim_end_matches(": ");
        NoRoom::Closed { nodes, why: taint.to_owned() }
    } else if has("were unschedulable") {
        NoRoom::Closed { nodes, why: "cordoned".to_owned() }
    } else {
        other()
    }
}
