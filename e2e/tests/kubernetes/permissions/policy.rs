//! What the admission policy refuses although the rights would allow it: the cluster controller may
//! write workloads, and can run none but Vaultyard's with them.

use serde_json::{Value, json};
use vaultyard_e2e::kubernetes::{Account, Kube};

/// Of another image, account, volume, command, ...
pub(super) fn workloads_that_are_not_vaultyards(cluster: &Kube) {
    let name = cluster.name();
    let proxy = format!("{name}-proxy");
    let controller = format!("{name}-cluster-controller");
    let account = cluster.account(&cluster.operations(), &controller);
    let digest = "0".repeat(64);
    let workloads = [("StatefulSet", name, "server"), ("Deployment", proxy.as_str(), "proxy")];
    for (kind, object, container) in workloads {
        let tampered: [(&str, Value, &str); 8] = [
            (
                "image",
                json!({"containers": [{"name": container, "image": format!("evil/bao@sha256:{digest}")}]}),
                "an image is from another repository",
            ),
            (
                "tag",
                json!({"containers": [{"name": container, "image": "10.99.0.1:5000/openbao:new"}]}),
                "an image is from another repository",
            ),
            ("account", json!({"serviceAccountName": "default"}), "must use ServiceAccount"),
            (
                "command",
                json!({"containers": [{"name": container, "command": ["/bin/sh"]}]}),
                "a container runs another command",
            ),
            (
                "container",
                json!({"containers": [{"name": "another", "image": "x"}]}),
                "a container that is not Vaultyard's",
            ),
            (
                "volume",
                json!({"volumes": [{"name": "keys", "secret": {"secretName": format!("{name}-keys-0001")}}]}),
                "a volume that is not Vaultyard's",
            ),
            (
                "environment",
                json!({"containers": [{"name": container, "env": [{"name": "KEY", "valueFrom":
                    {"secretKeyRef": {"name": format!("{name}-keys-0001"), "key": "object"}}}]}]}),
                "an environment variable comes from a Secret",
            ),
            ("node", json!({"hostNetwork": true}), "a pod may have no part in its node"),
        ];
        for (what, pod, refusal) in tampered {
            is_refused(cluster, &account, [kind, object, what], &pod, refusal);
        }
    }
    let sees = json!([{"name": "certificates", "mountPath": "/certificates"}]);
    let pod = json!({"containers": [{"name": "server", "volumeMounts": sees}]});
    let refusal = "the server sees a volume that is the unsealer's";
    is_refused(cluster, &account, ["StatefulSet", name, "mount"], &pod, refusal);
}

/// Applying this pod of a workload is refused by the policy, in these words.
#[track_caller]
fn is_refused(
    cluster: &Kube,
    account: &Account,
    [kind, object, what]: [&str; 3],
    pod: &Value,
    refusal: &str,
) {
    let body = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": object, "namespace": cluster.name()},
        "spec": {"template": {"spec": pod}},
    });
    let (namespace, plural) = (cluster.name(), format!("{}s", kind.to_lowercase()));
    let path = format!("/apis/apps/v1/namespaces/{namespace}/{plural}/{object}");
    let said = account.apply(&path, &body);
    let by_the_policy =
        |why: &String| why.contains("ValidatingAdmissionPolicy") && why.contains(refusal);
    assert!(said.as_ref().is_err_and(by_the_policy), "{kind} with another {what}: {said:#?}");
}

/// The servers' account is for the pods of the StatefulSet, whoever makes a pod.
pub(super) fn pods_with_the_servers_account(cluster: &Kube) {
    let name = cluster.name();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "thief", "namespace": name},
        "spec": {
            "serviceAccountName": name,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "thief",
                "image": "10.99.0.1:5000/openbao:new",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    });
    let file = cluster.write("pod", &pod.to_string());
    let said = cluster.try_kubectl(&["create", "-f", &file]);
    assert_ne!(said.code, Some(0));
    let refusal = format!("only pods of StatefulSet {name} may use ServiceAccount {name}");
    assert!(said.stderr.contains(&refusal), "{said:#?}");
}
