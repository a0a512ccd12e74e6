//! What cannot succeed is refused with a sentence that names the object, the reason and what to do,
//! before anything is written; what is found out only later is told while it is waited for.

use std::time::Duration;

use serde_json::json;
use vaultyard_e2e::kubernetes::{Kube, Machines, SINGLE, Undo, own_image};
use vaultyard_e2e::wait;

mod kubeconfigs;

const BAD_INPUT: Option<i32> = Some(2);
const LATE: Option<i32> = Some(4);

/// `up` and `check` are refused alike with each of `words`, and nothing was written.
#[track_caller]
fn refuses(cluster: &Kube, words: &[&str]) {
    for said in [cluster.check(&[]), cluster.up_within("20s", &[])] {
        assert_eq!(said.code, BAD_INPUT, "{said:#?}");
        for word in words.iter().chain(&["nothing was changed"]) {
            assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
        }
    }
    let operations = cluster.try_kubectl(&["get", "namespace", &cluster.operations()]);
    assert_ne!(operations.code, Some(0), "something was written: {operations:#?}");
}

/// `up` gives up waiting with each of `words` in what it says last.
#[track_caller]
fn is_late(cluster: &Kube, patience: &str, flags: &[&str], words: &[&str]) {
    let said = cluster.up_within(patience, flags);
    assert_eq!(said.code, LATE, "{said:#?}\n{}", cluster.all_there_is());
    for word in words {
        assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
    }
}

#[test]
fn a_cluster_that_nothing_is_in_the_way_of() {
    let _machines = Machines::shared();
    let cluster = Kube::declared("");
    let said = cluster.check(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}");
    for word in ["all that `up` takes", "local-a, local-b, local-c", "StorageClass local", ":8200"]
    {
        assert!(said.stdout.contains(word), "{word:?} is missing: {said:#?}");
    }
    let namespace = cluster.try_kubectl(&["get", "namespace", cluster.name()]);
    assert_ne!(namespace.code, Some(0), "something was written: {namespace:#?}");
}

#[test]
fn a_zone_that_no_node_is_in() {
    let _machines = Machines::shared();
    let cluster = Kube::declared("  servers: {zones: [local-a, local-b, elsewhere]}\n");
    refuses(&cluster, &["the zone elsewhere", "spec.servers.zones", "local-a, local-b, local-c"]);
}

/// What belongs to all clusters on these machines: changed for a moment, with nobody else there.
#[test]
fn machines_and_definitions_that_do_not_fit() {
    let machines = Machines::own();
    let cluster = Kube::declared("");

    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "without-zone"}});
    let node = cluster.write("node.json", &node.to_string());
    let undo = Undo::of(&machines, &["delete", "node", "without-zone"]);
    let _ = cluster.kubectl(&["create", "-f", &node]);
    refuses(&cluster, &["node without-zone", "no label topology.kubernetes.io/zone"]);
    drop(undo);

    let is_default = "storageclass.kubernetes.io/is-default-class";
    let mark =
        |yes: &str| ["annotate", "storageclass", "local", "--overwrite", yes].map(str::to_owned);
    let (yes, no) = (format!("{is_default}=true"), format!("{is_default}=false"));
    let undo = Undo::of(&machines, &mark(&yes));
    let _ = cluster.kubectl(&mark(&no).each_ref().map(String::as_str));
    refuses(&cluster, &["no StorageClass is the default one", "annotate storageclass local"]);
    drop(undo);

    let name = "vaultclusters.vaultyard.dev";
    let file = cluster.write("definition.yaml", &cluster.definition());
    // It may be there already: every cluster on these machines has the same one.
    let _ = cluster.kubectl(&["apply", "--server-side", "--field-manager=vaultyard", "-f", &file]);
    let definition = cluster.object(&["customresourcedefinition", name]);
    let mut other = definition.expect("it was just applied")["spec"]["versions"][0].clone();
    other["name"] = "v9".into();
    other["storage"] = false.into();
    let patch = |operation: &str| {
        let patch = json!([{"op": operation, "path": "/spec/versions/1", "value": other}]);
        let patch = patch.to_string();
        // Under our own name: else the fields would be somebody else's afterwards, and a later `up`
        // with another definition would be refused.
        let words = ["patch", "customresourcedefinition", name, "--field-manager=vaultyard"];
        [&words[..], &["--type=json", "-p", &patch]]
            .concat()
            .iter()
            .map(|it| (*it).to_owned())
            .collect::<Vec<_>>()
    };
    let undo = Undo::of(&machines, &patch("remove"));
    let add = patch("add");
    let _ = cluster.kubectl(&add.iter().map(String::as_str).collect::<Vec<_>>());
    refuses(&cluster, &["CustomResourceDefinition of VaultCluster", "v1alpha1, v9"]);
    drop(undo);
}

#[test]
fn objects_of_somebody_else_are_taken_over_only_when_that_is_asked_for() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(SINGLE);
    let name = cluster.name();
    let _ = cluster.kubectl(&["create", "namespace", name]);
    let _ = cluster.kubectl(&["create", "service", "clusterip", name, "--tcp=8200"]);
    let label = "app.kubernetes.io/managed-by=Helm";
    let _ = cluster.kubectl(&["label", "service", name, label]);
    refuses(
        &cluster,
        &[
            "2 things are in the way",
            &format!("the Namespace {name} is there already"),
            &format!("the Service {name} in the namespace {name} is there already"),
            "belongs to Helm",
            "--adopt",
        ],
    );
    let said = cluster.up(&["--adopt"]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    assert!(said.stderr.contains("is taken over from Helm"), "{said:#?}");
    let service = cluster.object(&["service", name]).unwrap();
    assert_eq!(service["metadata"]["labels"]["app.kubernetes.io/managed-by"], "vaultyard");

    let controller = format!("{name}-certificates-controller");
    let operations = cluster.operations();
    let scale = ["scale", "deployment", &controller, "--replicas=3"];
    let _ = cluster.kubectl_in(&operations, &scale);
    let said = cluster.up(&[]);
    assert_eq!(said.code, BAD_INPUT, "{said:#?}");
    let held = format!("the Deployment {controller} in the namespace {operations}: kubectl owns");
    for word in [&held, ".spec.replicas", "--adopt", "nothing was changed"] {
        assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
    }
    let said = cluster.up(&["--adopt"]);
    assert_eq!(said.code, Some(0), "{said:#?}");
    let _ = cluster.wait_until_ready();
}

#[test]
fn a_quota_that_has_no_room() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(SINGLE);
    let quota = cluster.allow_no_pods();
    let controller = format!("a pod of {}-cluster-controller cannot be created", cluster.name());
    is_late(
        &cluster,
        "6s",
        &[],
        &[&controller, "exceeded quota: none", "raise the namespace's quota"],
    );
    // Room for the controllers alone.
    let _ = cluster.kubectl(&["delete", "quota", "none", "-n", &cluster.operations()]);
    let replicasets = ["delete", "replicasets", "--all", "-n", &cluster.operations()];
    let _ = cluster.kubectl(&replicasets);
    is_late(&cluster, "20s", &[], &["cannot be created", "exceeded quota: none", "raise"]);
    drop(quota);
}

#[test]
fn an_image_that_cannot_be_pulled() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(SINGLE);
    let ours = own_image();
    let repository = ours.split_once('@').unwrap().0;
    let image = format!("{repository}@sha256:{}", "0".repeat(64));
    let words = [&image, "cannot be pulled", "see that its registry has it"];
    is_late(&cluster, "15s", &["--image", &image], &words);
}

#[test]
fn an_image_that_is_named_by_a_tag() {
    let cluster = Kube::declared("");
    let said = cluster.up(&["--image", "10.99.0.1:5000/vaultyard:latest"]);
    assert_eq!(said.code, BAD_INPUT, "{said:#?}");
    assert!(said.stderr.contains("@sha256:DIGEST"), "{said:#?}");
}

/// Vaultyard's pods meet the level `restricted`, so that only those are refused that somebody changes
/// on their way.
#[test]
fn pods_that_pod_security_refuses() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(SINGLE);
    let name = format!("{}-changes-pods", cluster.name());
    let tries = format!("{}-tries", cluster.name());
    let place = json!([{
        "key": "kubernetes.io/metadata.name", "operator": "In",
        "values": [cluster.operations(), tries],
    }]);
    let pods = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
    });
    let change = "[JSONPatch{op: \"add\", path: \"/spec/hostNetwork\", value: true}]";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchExpressions": place}, "resourceRules": [pods],
            },
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": change}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    });
    for (file, object) in [("policy", policy), ("binding", binding)] {
        let file = cluster.write(file, &object.to_string());
        let _ = cluster.kubectl(&["create", "-f", &file]);
    }
    // The API server takes its time before it goes by it.
    let _ = cluster.kubectl(&["create", "namespace", &tries]);
    let tried = ["run", "tried", "--image", "none", "--dry-run=server"];
    let tried = [&tried, &["--namespace", &tries, "--output", "jsonpath={.spec.hostNetwork}"][..]];
    wait("pods are changed on their way", Duration::from_secs(60), || {
        (cluster.try_kubectl(&tried.concat()).stdout == "true").then_some(())
    });
    let _ = cluster.kubectl(&["delete", "namespace", &tries, "--wait=false"]);
    let said = cluster.up_within("10s", &[]);
    for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
        let _ = cluster.kubectl(&["delete", kind, &name]);
    }
    assert_eq!(said.code, LATE, "{said:#?}");
    let controller = format!("a pod of {}-cluster-controller cannot be created", cluster.name());
    for word in [&controller, "violates PodSecurity \"restricted", "find out what changes them"] {
        assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
    }
}
