//! Which pods there are, and in what they are not as their StatefulSet would make them now. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultyard_model::ServerName;
use vaultyard_model::port::rollout::Stale;

use crate::kubernetes::rollout::{REVISION, server_image};

/// A pod that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    /// Its `metadata.uid`.
    pub(super) uid: String,
    /// In what it is not as it would be made now: in its server's image, which is another version, as far
    /// as can be told, or in something else.
    pub(super) stale: Option<Stale>,
}

/// Those pods. `declared` is the generation in which the StatefulSet is what is declared; `None` while it
/// is of another one, which somebody else wrote or its own controller has not seen yet. A pod that is
/// going is not among them.
pub(super) fn pods(
    set: &Value,
    declared: i64,
    pods: &BTreeMap<ServerName, Value>,
) -> Option<BTreeMap<ServerName, Pod>> {
    let (metadata, status) = (&set["metadata"], &set["status"]);
    let is_declared = |generation: &Value| generation.as_i64() == Some(declared);
    if !is_declared(&metadata["generation"]) || !is_declared(&status["observedGeneration"]) {
        return None;
    }
    let revision = status["updateRevision"].as_str()?;
    let image = server_image(&set["spec"]["template"]);
    let stays = |pod: &Value| {
        let metadata = &pod["metadata"];
        if metadata["deletionTimestamp"].is_string() {
            return None;
        }
        let stale = match (metadata["labels"][REVISION] == revision, server_image(pod) == image) {
            (true, _) => None,
            (false, true) => Some(Stale::Configuration),
            (false, false) => Some(Stale::Version),
        };
        Some(Pod { uid: metadata["uid"].as_str()?.to_owned(), stale })
    };
    Some(pods.iter().filter_map(|(server, pod)| Some((server.clone(), stays(pod)?))).collect())
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
        let found = super::pods(&set, declared, &pods)?;
        let told = |(server, pod): (ServerName, Pod)| match pod.stale {
            None => format!("{server} {}", pod.uid),
            Some(stale) => format!("{server} {}, another {stale:?}", pod.uid),
        };
        Some(found.into_iter().map(told).collect())
    }

    #[test]
    fn a_pod_of_another_revision_is_stale_and_one_that_goes_is_not_there() {
        let expected = [
            "vault-0 of new",
            "vault-1 of old, another Configuration",
            "vault-2 of older, another Version",
        ];
        assert_eq!(outdated_of((3, 3), 3), Some(expected.map(str::to_owned).into()));
    }

    #[test]
    fn nothing_is_known_while_the_stateful_set_is_not_what_is_declared() {
        for (set, declared) in [((4, 4), 3), ((3, 2), 3), ((3, 3), 4)] {
            assert_eq!(outdated_of(set, declared), None);
        }
    }
}
