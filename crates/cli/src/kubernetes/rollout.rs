//! How far the pods of a cluster have followed what was applied.

use serde_json::Value;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::{COMPONENT, Component, INSTANCE};
use vaultyard_render::kubernetes::server_pod::SERVER;
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

/// What the servers lack until all of them are what their StatefulSet makes with this image, in words;
/// `None` when they lack nothing.
pub(super) async fn pending_servers(
    api: &Api,
    names: &Names,
    image: &str,
) -> Result<Option<String>, ApiError> {
    let reference = Reference::within(STATEFUL_SET, names.namespace(), names.stateful_set());
    let looked = async {
        let pods = pods_of(api, names, names.namespace(), Component::Server);
        Ok((api.get(&reference).await?, pods.await?))
    };
    match looked.await {
        Ok((set, pods)) => {
            Ok(lacking(set.as_ref(), &pods, image).map(|why| format!("{reference} {why}")))
        }
        // Who may not look at it is not told.
        Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn lacking(set: Option<&Value>, pods: &[Value], image: &str) -> Option<String> {
    let Some(set) = set else { return Some("does not exist yet".to_owned()) };
    if server_image(&set["spec"]["template"]) != Some(image) {
        return Some("has another image".to_owned());
    }
    if set["status"]["observedGeneration"] != set["metadata"]["generation"] {
        return Some("has not been seen by its controller yet".to_owned());
    }
    let revision = &set["status"]["updateRevision"];
    let old = |pod: &&Value| &pod["metadata"]["labels"][REVISION] != revision;
    let old: Vec<_> = pods.iter().filter(old).map(name).collect();
    (!old.is_empty()).then(|| format!("has still to replace {}", old.join(", ")))
}

/// What the StatefulSet controller writes on each pod: the revision that it was made of.
pub(super) const REVISION: &str = "controller-revision-hash";

/// The image of the server in a pod, or in what pods are made of.
pub(super) fn server_image(pod: &Value) -> Option<&str> {
    let mut containers = pod["spec"]["containers"].as_array()?.iter();
    containers.find(|container| container["name"] == SERVER)?["image"].as_str()
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
    fn servers_have_followed_when_all_pods_are_of_the_revision_that_is_seen() {
        let pod = |name: &str, revision: &str| {
            let labels = json!({REVISION: revision});
            json!({"metadata": {"name": name, "labels": labels}})
        };
        let container = json!({"name": SERVER, "image": "new"});
        let mut set = json!({
            "metadata": {"generation": 2},
            "spec": {"template": {"spec": {"containers": [container]}}},
            "status": {"observedGeneration": 2, "updateRevision": "b"},
        });
        let (old, new) = (pod("vault-0", "a"), pod("vault-1", "b"));
        let lacking = |set: &Value, pods: &[Value]| lacking(Some(set), pods, "new");
        assert_eq!(lacking(&set, std::slice::from_ref(&new)), None);
        let why = Some("has still to replace vault-0".to_owned());
        assert_eq!(lacking(&set, &[old, new.clone()]), why);
        set["status"]["observedGeneration"] = json!(1);
        let why = Some("has not been seen by its controller yet".to_owned());
        assert_eq!(lacking(&set, &[new]), why);
        set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("old");
        assert_eq!(lacking(&set, &[]), Some("has another image".to_owned()));
    }
}
