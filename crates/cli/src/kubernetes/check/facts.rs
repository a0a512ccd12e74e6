//! What is known before anything is written, and how it is read from what the API server says.

use std::collections::BTreeSet;

use serde_json::Value;
use vaultyard_plan::change::Fault;
use vaultyard_render::kubernetes::pod::ZONE;
use vaultyard_target_kubernetes::Reference;
use vaultyard_target_kubernetes::access_review::Act;
use vaultyard_target_kubernetes::apply::{ApplyError, Owner};

/// The annotation of the StorageClass that claims get which name none.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// Taints of Kubernetes itself come and go with how a node is.
const PASSING: &str = "node.kubernetes.io/";

/// All of it.
pub(super) struct Facts {
    /// What `up` would do and may not.
    pub(super) missing: Vec<Act>,
    /// Every object that `up` or the cluster controller writes, in their order.
    pub(super) standing: Vec<Seen>,
    /// Objects of ours in which somebody else holds fields that `up` would write.
    pub(super) held: Vec<ApplyError>,
    /// The versions of our kind that the API server has, none when it does not know the kind; `None`
    /// when they may not be looked at.
    pub(super) versions: Option<Vec<String>>,
    /// `None` when they may not be looked at.
    pub(super) nodes: Option<Vec<Node>>,
    /// `None` when they may not be looked at.
    pub(super) classes: Option<Vec<Class>>,
    /// What the Secret with the files of the document's encryption holds.
    pub(super) key_files: KeyFilesSeen,
    /// Whether the servers stand there already: then they have places and volumes.
    pub(super) servers_stand: bool,
    /// What the cluster that stands there cannot follow in the document.
    pub(super) unfollowed: Vec<Fault>,
}

/// What is known of the Secret with the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyFilesSeen {
    /// The document names no files.
    NotNeeded,
    /// We may not look.
    Hidden,
    /// There is none.
    Absent,
    /// It has these entries.
    Entries(BTreeSet<String>),
}

/// An object of ours, and what stands in its place.
pub(super) struct Seen {
    pub(super) reference: Reference,
    pub(super) standing: Standing,
}

/// What stands in the place of an object of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Absent,
    Ours,
    /// Somebody else's, and whose.
    Foreign(String),
    /// It is being deleted.
    Ending,
    /// The API server does not know this kind.
    NoSuchKind,
    /// We may not look.
    Hidden,
}

/// A machine that takes pods, now or when it is well again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) zone: Option<String>,
}

/// A way to make volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) is_default: bool,
}

impl Standing {
    /// Of what the API server gave, where we own what `owner` says.
    pub(super) fn of(object: Option<&Value>, owner: Owner<'_>) -> Self {
        let Some(object) = object else { return Self::Absent };
        if object["metadata"]["deletionTimestamp"].is_string() {
            return Self::Ending;
        }
        owner.foreign(object).map_or(Self::Ours, Self::Foreign)
    }
}

impl Node {
    /// `None` for one that is kept for other things.
    pub(super) fn read(object: &Value) -> Option<Self> {
        let taints = object["spec"]["taints"].as_array().into_iter().flatten();
        let keeps_out = |taint: &Value| {
            let key = taint["key"].as_str().unwrap_or_default();
            taint["effect"] != "PreferNoSchedule" && !key.starts_with(PASSING)
        };
        let metadata = &object["metadata"];
        let zone = metadata["labels"][ZONE].as_str().filter(|zone| !zone.is_empty());
        (!taints.into_iter().any(keeps_out)).then(|| Self {
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
            zone: zone.map(str::to_owned),
        })
    }
}

impl Class {
    pub(super) fn read(object: &Value) -> Self {
        let metadata = &object["metadata"];
        Self {
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
            is_default: metadata["annotations"][DEFAULT_CLASS] == "true",
        }
    }
}

/// The versions that a custom resource definition has, or once had and still holds objects of.
pub(super) fn versions(definition: &Value) -> Vec<String> {
    let named = definition["spec"]["versions"].as_array().into_iter().flatten();
    let named = named.map(|version| &version["name"]);
    let stored = definition["status"]["storedVersions"].as_array().into_iter().flatten();
    let all = named.chain(stored).filter_map(Value::as_str).map(str::to_owned);
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_that_are_kept_for_other_things_do_not_count_and_ill_ones_do() {
        let node = |taints: Value| {
            let labels = json!({ZONE: "a"});
            Node::read(&json!({"metadata": {"name": "n", "labels": labels},
                "spec": {"taints": taints}}))
        };
        let expected = Node { name: "n".to_owned(), zone: Some("a".to_owned()) };
        assert_eq!(node(Value::Null).as_ref(), Some(&expected));
        let ill = json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]);
        assert_eq!(node(ill).as_ref(), Some(&expected));
        let kept =
            json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
        assert_eq!(node(kept), None);
    }

    #[test]
    fn versions_are_those_that_are_named_or_stored() {
        let definition = json!({"spec": {"versions": [{"name": "v1"}, {"name": "v2"}]},
            "status": {"storedVersions": ["v0", "v1"]}});
        assert_eq!(versions(&definition), ["v0", "v1", "v2"]);
        assert!(versions(&Value::Null).is_empty());
    }

    #[test]
    fn what_ends_is_told_from_what_stands() {
        let ours = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "vaultyard"}}});
        assert_eq!(Standing::of(Some(&ours), Owner::Vaultyard), Standing::Ours);
        let mut ending = ours;
        ending["metadata"]["deletionTimestamp"] = "2026-11-28T12:00:00Z".into();
        assert_eq!(Standing::of(Some(&ending), Owner::Vaultyard), Standing::Ending);
        assert_eq!(Standing::of(None, Owner::Vaultyard), Standing::Absent);
    }
}
