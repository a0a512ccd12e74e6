//! What a cluster waits for while it comes up, as its pods and the events about them tell.

use serde_json::Value;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::INSTANCE;
use vaultyard_render::kubernetes::server_pod::DATA;
use vaultyard_target_kubernetes::kind::{EVENT, POD};
use vaultyard_target_kubernetes::{Api, pods};

/// What the first pod that is not ready waits for, the controllers' before the servers'.
pub(super) async fn first(api: &Api, names: &Names) -> Option<String> {
    let label = format!("{INSTANCE}={}", names.cluster());
    let deployments = [
        (names.operations(), vec![names.cluster_controller(), names.certificates_controller()]),
        (names.namespace(), vec![names.proxy()]),
    ];
    for (namespace, deployments) in deployments {
        let pods = api.list(POD, Some(namespace), &[("labelSelector", &label)]).await.ok()?;
        let events = api.list(EVENT, Some(namespace), &[("fieldSelector", "type=Warning")]).await;
        // What pods themselves say is worth something without them.
        let events = events.unwrap_or_default();
        let servers = if namespace == names.namespace() { names.every_server() } else { vec![] };
        let found = not_created(&pods, &events, &deployments, &servers);
        if let Some(waits) = found.or_else(|| not_ready(&pods, &events)) {
            return Some(waits);
        }
    }
    None
}

/// Pods that Kubernetes refuses to make. Events outlive what they tell of, so only that counts
/// which is still not there.
fn not_created(
    pods: &[Value],
    events: &[Value],
    deployments: &[String],
    servers: &[String],
) -> Option<String> {
    let deployed = deployments.iter().filter_map(|deployment| {
        let own = format!("{deployment}-");
        let any = pods.iter().any(|pod| name(pod).starts_with(&own));
        let why = (!any).then(|| pods::none_created(deployment, events))??;
        Some(format!("a pod of {deployment} {why}"))
    });
    let placed = servers.iter().filter_map(|server| {
        let any = pods.iter().any(|pod| name(pod) == server);
        let why = (!any).then(|| pods::not_created(server, events))??;
        Some(format!("{server} {why}"))
    });
    deployed.chain(placed).next()
}

fn not_ready(pods: &[Value], events: &[Value]) -> Option<String> {
    pods.iter().find_map(|pod| {
        let name = name(pod);
        let claim = format!("{DATA}-{name}");
        let about = events.iter().filter(|event| {
            let object = &event["involvedObject"]["name"];
            *object == *name || *object == *claim
        });
        let about: Vec<_> = about.cloned().collect();
        Some(format!("{name} {}", pods::waits(pod, &about)?))
    })
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(kind: &str, name: &str, message: &str) -> Value {
        json!({"reason": "FailedCreate", "message": message,
            "involvedObject": {"kind": kind, "name": name}})
    }

    #[test]
    fn a_pod_that_is_refused_is_told_as_long_as_it_is_not_there() {
        let message = "create Pod vault-1 in StatefulSet vault failed error: pods \"vault-1\" is \
            forbidden: exceeded quota: q";
        let events = [refused("StatefulSet", "vault", message)];
        let servers = ["vault-0".to_owned(), "vault-1".to_owned()];
        let pod = |name: &str| json!({"metadata": {"name": name}});
        let why = not_created(&[pod("vault-0")], &events, &[], &servers).unwrap();
        assert!(why.starts_with("vault-1 cannot be created: pods \"vault-1\" is forbidden"));
        let both = [pod("vault-0"), pod("vault-1")];
        assert_eq!(not_created(&both, &events, &[], &servers), None);
    }

    #[test]
    fn a_deployment_without_a_pod_says_why() {
        let message = "Error creating: pods \"vault-proxy-1-a\" is forbidden: exceeded quota: q";
        let events = [refused("ReplicaSet", "vault-proxy-1", message)];
        let proxy = ["vault-proxy".to_owned()];
        let why = not_created(&[], &events, &proxy, &[]).unwrap();
        assert!(why.starts_with("a pod of vault-proxy cannot be created: pods"), "{why}");
        let pod = json!({"metadata": {"name": "vault-proxy-1-b"}});
        assert_eq!(not_created(&[pod], &events, &proxy, &[]), None);
    }
}
