//! Which pods are not as their StatefulSet would make them now. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultyard_model::ServerName;

/// What the StatefulSet controller writes on each pod: the revision that it was made of.
const REVISION: &str = "controller-revision-hash";

/// Those pods, each with its `uid`. `declared` is the generation in which the StatefulSet is what is
/// declared: `None` while it is of another one, which somebody else wrote or its own controller has not
/// seen yet. A pod that is going is not among them.
pub(super) fn outdated(
    set: &Value,
    declared: i64,
    pods: &BTreeMap<ServerName, Value>,
) -> Option<BTreeMap<ServerName, String>> {
    let (metadata, status) = (&set["metadata"], &set["status"]);
    let is_declared = |generation: &Value| generation.as_i64() == Some(declared);
    if !is_declared(&metadata["generation"]) || !is_declared(&status["observedGeneration"]) {
        return None;
    }
    let revision = status["updateRevision"].as_str()?;
    let uid = |pod: &Value| {
        let metadata = &pod["metadata"];
        let goes = metadata["deletionTimestamp"].is_string();
        let is_new = metadata["labels"][REVISION] == revision;
        (!goes && !is_new).then(|| metadata["uid"].as_str().map(str::to_owned))?
    };
    Some(pods.iter().filter_map(|(server, pod)| Some((server.clone(), uid(pod)?))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultyard_model::ClusterName;

    use super::*;

    fn outdated_of(set: (i64, i64), declared: i64) -> Option<Vec<String>> {
        let name = ClusterName::new("vault").unwrap();
        let pod = |revision: &str, goes: Value| {
            json!({"metadata": {"uid": format!("of {revision}"), "deletionTimestamp": goes,
                "labels": {"controller-revision-hash": revision}}})
        };
        let pods = [pod("new", Value::Null), pod("old", Value::Null), pod("older", json!("now"))];
        let pods = (0..).zip(pods).map(|(ordinal, pod)| (name.server(ordinal), pod)).collect();
        let (generation, observed) = set;
        let set = json!({"metadata": {"generation": generation},
            "status": {"observedGeneration": observed, "updateRevision": "new"}});
        let found = outdated(&set, declared, &pods)?;
        Some(found.into_iter().map(|(server, uid)| format!("{server} {uid}")).collect())
    }

    #[test]
    fn a_pod_of_another_revision_is_outdated_unless_it_is_going_already() {
        assert_eq!(outdated_of((3, 3), 3), Some(vec!["vault-1 of old".to_owned()]));
    }

    #[test]
    fn nothing_is_known_while_the_stateful_set_is_not_what_is_declared() {
        for (set, declared) in [((4, 4), 3), ((3, 2), 3), ((3, 3), 4)] {
            assert_eq!(outdated_of(set, declared), None);
        }
    }
}
