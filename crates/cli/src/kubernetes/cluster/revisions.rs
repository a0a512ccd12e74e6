//! Which pods are not as their StatefulSet would make them now. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultyard_model::ServerName;

use crate::kubernetes::rollout::{REVISION, server_image};

/// A pod that is not as it would be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outdated {
    /// Its `metadata.uid`.
    pub(super) uid: String,
    /// Whether its server would run another image: another version, as far as can be told.
    pub(super) other_image: bool,
}

/// Those pods. `declared` is the generation in which the StatefulSet is what is declared; `None` while it
/// is of another one, which somebody else wrote or its own controller has not seen yet. A pod that is
/// going is not among them.
pub(super) fn outdated(
    set: &Value,
    declared: i64,
    pods: &BTreeMap<ServerName, Value>,
) -> Option<BTreeMap<ServerName, Outdated>> {
    let (metadata, status) = (&set["metadata"], &set["status"]);
    let is_declared = |generation: &Value| generation.as_i64() == Some(declared);
    if !is_declared(&metadata["generation"]) || !is_declared(&status["observedGeneration"]) {
        return None;
    }
    let revision = status["updateRevision"].as_str()?;
    let image = server_image(&set["spec"]["template"]);
    let outdated = |pod: &Value| {
        let metadata = &pod["metadata"];
        let goes = metadata["deletionTimestamp"].is_string();
        if goes || metadata["labels"][REVISION] == revision {
            return None;
        }
        let uid = metadata["uid"].as_str()?.to_owned();
        Some(Outdated { uid, other_image: server_image(pod) != image })
    };
    Some(pods.iter().filter_map(|(server, pod)| Some((server.clone(), outdated(pod)?))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultyard_model::ClusterName;
    use vaultyard_render::kubernetes::server_pod::SERVER;

    use super::*;

    fn outdated_of(set: (i64, i64), declared: i64) -> Option<Vec<String>> {
        let name = ClusterName::new("vault").unwrap();
        let spec = |image: &str| {
            let other = json!({"name": "another", "image": "always the same"});
            json!({"containers": [other, {"name": SERVER, "image": image}]})
        };
        let pod = |(revision, image): (&str, &str), goes: Value| {
            json!({"metadata": {"uid": format!("of {revision}"), "deletionTimestamp": goes,
                "labels": {"controller-revision-hash": revision}}, "spec": spec(image)})
        };
        let stays = Value::Null;
        let pods = [
            pod(("new", "i"), stays.clone()),
            pod(("old", "i"), stays.clone()),
            pod(("older", "h"), stays),
            pod(("oldest", "h"), json!("now")),
        ];
        let pods = (0..).zip(pods).map(|(ordinal, pod)| (name.server(ordinal), pod)).collect();
        let (generation, observed) = set;
        let set = json!({"metadata": {"generation": generation},
            "spec": {"template": {"spec": spec("i")}},
            "status": {"observedGeneration": observed, "updateRevision": "new"}});
        let found = outdated(&set, declared, &pods)?;
        let told = |(server, of_it): (ServerName, Outdated)| {
            format!(
                "{server} {}{}",
                of_it.uid,
                if of_it.other_image { ", another image" } else { "" }
            )
        };
        Some(found.into_iter().map(told).collect())
    }

    #[test]
    fn a_pod_of_another_revision_is_outdated_unless_it_is_going_already() {
        let expected = ["vault-1 of old", "vault-2 of older, another image"];
        assert_eq!(outdated_of((3, 3), 3), Some(expected.map(str::to_owned).into()));
    }

    #[test]
    fn nothing_is_known_while_the_stateful_set_is_not_what_is_declared() {
        for (set, declared) in [((4, 4), 3), ((3, 2), 3), ((3, 3), 4)] {
            assert_eq!(outdated_of(set, declared), None);
        }
    }
}
