//! How far the pods of a cluster have followed what was applied.

use serde_json::Value;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::{COMPONENT, Component, INSTANCE};
use vaultyard_target_kubernetes::kind::{Kind, POD, STATEFUL_SET};
use vaultyard_target_kubernetes::{Api, ApiError, Reason, Reference};

/// Which Deployment still runs something else than it declares, in words; `None` when none does. The
/// proxies' is the controller's to write, so it counts only once it has this image.
pub(super) async fn pending(
    api: &Api,
    names: &Names,
    image: &str,
) -> Result<Option<String>, ApiError> {
    let operations = names.operations();
    let all = [
        (operations, names.cluster_controller()),
        (operations, names.certificates_controller()),
        (names.namespace(), names.proxy()),
    ];
    for (namespace, name) in all {
        let Some(kind) = Kind::find("apps/v1", "Deployment") else { continue };
        let reference = Reference::within(kind, namespace, &name);
        let now = match api.get(&reference).await {
            // Who may not look at it is not told.
            Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => continue,
            now => now?,
        };
        if let Some(why) = behind(now.as_ref(), image) {
            return Ok(Some(format!("{reference} {why}")));
        }
    }
    Ok(None)
}

/// What a Deployment lacks until all of its pods, and no others, run this image.
fn behind(deployment: Option<&Value>, image: &str) -> Option<String> {
    let Some(deployment) = deployment else { return Some("does not exist yet".to_owned()) };
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let containers = spec["template"]["spec"]["containers"].as_array();
    if !containers.is_some_and(|all| all.iter().any(|container| container["image"] == image)) {
        return Some("has another image".to_owned());
    }
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let wanted = count(&spec["replicas"]);
    let updated = &status["updatedReplicas"];
    let seen = count(&status["observedGeneration"]) >= count(&deployment["metadata"]["generation"]);
    // The old ones go only when new ones are available. One that finds no node is in nobody's way.
    if seen && count(updated) == wanted && count(&status["replicas"]) == wanted {
        return None;
    }
    let updated = if seen { count(updated) } else { 0 };
    Some(format!("has {updated} of {wanted} pods as they are declared now"))
}

/// The servers whose pods are as they were declared before: a pod of a server is made anew only when
/// somebody deletes it.
pub(super) async fn outdated_servers(api: &Api, names: &Names) -> Result<Vec<String>, ApiError> {
    let set = Reference::within(STATEFUL_SET, names.namespace(), names.stateful_set());
    let Some(set) = api.get(&set).await? else { return Ok(Vec::new()) };
    let pods = pods_of(api, names, names.namespace(), Component::Server).await?;
    Ok(outdated(&set["status"]["updateRevision"], &pods))
}

/// The pods of one part of the cluster.
pub(super) async fn pods_of(
    api: &Api,
    names: &Names,
    namespace: &str,
    component: Component,
) -> Result<Vec<Value>, ApiError> {
    let selector = format!("{INSTANCE}={},{COMPONENT}={}", names.cluster(), component.as_str());
    api.list(POD, Some(namespace), &[("labelSelector", &selector)]).await
}

/// What an object is called.
pub(super) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn outdated(revision: &Value, pods: &[Value]) -> Vec<String> {
    let old = |pod: &&Value| &pod["metadata"]["labels"]["controller-revision-hash"] != revision;
    pods.iter().filter(old).map(name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str, observed: u64, updated: u64, all: u64) -> Value {
        json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": image}]}}},
            "status": {"observedGeneration": observed, "updatedReplicas": updated,
                       "replicas": all, "availableReplicas": 1},
        })
    }

    #[track_caller]
    fn check(deployment: Option<Value>, expected: Option<&str>) {
        assert_eq!(behind(deployment.as_ref(), "new").as_deref(), expected);
    }

    #[test]
    fn a_deployment_has_followed_when_all_of_its_pods_and_no_others_are_new() {
        check(Some(deployment("new", 2, 2, 2)), None);
        check(None, Some("does not exist yet"));
        check(Some(deployment("old", 2, 2, 2)), Some("has another image"));
        let none = "has 0 of 2 pods as they are declared now";
        check(Some(deployment("new", 1, 2, 2)), Some(none));
        check(Some(deployment("new", 2, 1, 3)), Some("has 1 of 2 pods as they are declared now"));
        check(Some(deployment("new", 2, 2, 3)), Some("has 2 of 2 pods as they are declared now"));
    }

    #[test]
    fn a_server_is_outdated_when_its_pod_is_of_another_revision() {
        let pod = |name: &str, revision: &str| {
            let labels = json!({"controller-revision-hash": revision});
            json!({"metadata": {"name": name, "labels": labels}})
        };
        let pods = [pod("vault-0", "a"), pod("vault-1", "b")];
        assert_eq!(outdated(&json!("b"), &pods), ["vault-0"]);
    }
}
