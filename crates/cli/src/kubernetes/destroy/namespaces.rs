//! The last of `destroy`: namespaces, where nobody else has anything in them.

use serde_json::Value;
use tokio::time::{Instant, sleep};
use vaultyard_render::kubernetes::labels::{MANAGED_BY, VAULTYARD};
use vaultyard_target_kubernetes::kind::{Kind, NAMESPACE};
use vaultyard_target_kubernetes::{Api, Reference};

use super::{DEADLINE, PAUSE, delete};
use crate::failure::{Failure, Kind as Fault, failed};
use crate::progress::Progress;

/// What people keep in namespaces.
const LOOKED_FOR: [(&str, &str); 10] = [
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("networking.k8s.io/v1", "Ingress"),
    ("vaultyard.dev/v1alpha1", "VaultCluster"),
];
/// How many strangers are named.
const NAMED: usize = 5;

/// Deletes the namespace and waits until it is gone, unless somebody else has something in it: what
/// that is, is told, and all of it stays. Says whether it is gone.
pub(super) async fn delete_empty(
    api: &Api,
    name: &str,
    progress: &Progress,
) -> Result<bool, Failure> {
    let namespace = Reference::within(NAMESPACE, "", name);
    let others = strangers(api, name).await?;
    if !others.is_empty() {
        let more = others.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let named = others.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        eprintln!("left alone: {namespace}, in which there is more: {named}{more}");
        return Ok(false);
    }
    delete(api, &namespace).await?;
    progress.waiting(format!("{namespace} ends"));
    let deadline = Instant::now() + DEADLINE;
    while let Some(now) = api.get(&namespace).await.map_err(failed)? {
        if now["metadata"]["deletionTimestamp"].is_null() {
            return Ok(false);
        }
        if Instant::now() > deadline {
            let what = format!("{namespace} is still there after {DEADLINE:?}");
            return Err(Failure::text(Fault::NotInTime, what)
                .hint("its status says what in it does not end; it goes by itself after that"));
        }
        sleep(PAUSE).await;
    }
    Ok(true)
}

/// What in the namespace is neither Vaultyard's nor Kubernetes' own.
async fn strangers(api: &Api, namespace: &str) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for kind in LOOKED_FOR.iter().filter_map(|(version, kind)| Kind::find(version, kind)) {
        let objects = api.list(kind, Some(namespace), &[]).await.map_err(failed)?;
        let others = objects.iter().filter(|object| is_of_others(kind, object));
        all.extend(others.map(|object| format!("{} {}", kind.kind, name(object))));
    }
    Ok(all)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// What ends already counts no more, and every namespace has an account and its root from Kubernetes.
fn is_of_others(kind: Kind, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let of_kubernetes = [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")];
    let ends = !metadata["deletionTimestamp"].is_null();
    let ours = metadata["labels"][MANAGED_BY] == VAULTYARD && kind.kind != "VaultCluster";
    !(ends || ours || of_kubernetes.contains(&(kind.kind, name(object))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_of_a_person_is_of_others_and_what_kubernetes_makes_is_not() {
        let is = |kind: &str, metadata: Value| {
            is_of_others(Kind::find("v1", kind).unwrap(), &json!({"metadata": metadata}))
        };
        assert!(is("Secret", json!({"name": "vault-key-files"})));
        assert!(is("Pod", json!({"name": "web", "labels": {MANAGED_BY: "Helm"}})));
        assert!(!is(
            "Secret",
            json!({"name": "vault-keys-0001", "labels": {MANAGED_BY: VAULTYARD}})
        ));
        assert!(!is("ConfigMap", json!({"name": "kube-root-ca.crt"})));
        assert!(is("ConfigMap", json!({"name": "settings"})));
        assert!(!is("ServiceAccount", json!({"name": "default"})));
        let ending = json!({"name": "vault-0", "deletionTimestamp": "2026-11-29T04:00:00Z"});
        assert!(!is("Pod", ending));
    }
}
