//! What holds for all objects together.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use vaultyard_model::{Cluster, Version};
use vaultyard_testkit::matrix::{self, transit, zoned};

use super::*;
use crate::sample;

mod upgrades;

pub(super) fn release() -> Release {
    let digest = |digit: &str| format!("@sha256:{}", digit.repeat(64));
    Release {
        vaultyard: format!("registry.example:5000/vaultyard{}", digest("a")),
        server: format!("registry.example:5000/openbao/openbao:2.7.2{}", digest("b")),
    }
}

fn document() -> Json {
    json!({
        "apiVersion": "vaultyard.dev/v1alpha1",
        "kind": "VaultCluster",
        "metadata": {"name": "vault"},
        "spec": {},
    })
}

/// Stands for the definition, whose own golden is `schema/vaultcluster.crd.yaml`.
fn definition() -> Json {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": names::DEFINITION},
    })
}

pub(super) fn everything(cluster: &Cluster) -> Vec<Object> {
    let text = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {name: vault}\n";
    let mut all = installation(cluster, &release(), &definition(), &document());
    all.extend(workload(cluster, &release(), text));
    all
}

pub(super) fn the<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Json {
    let found = objects.iter().find(|object| object.kind == kind && object.name == name);
    &found.unwrap_or_else(|| panic!("no {kind} {name}")).body
}

/// The pods of every workload: name of the workload, then the pod's specification.
fn pods(objects: &[Object]) -> impl Iterator<Item = (&str, &Json)> {
    let workloads = objects.iter().filter(|object| object.api_version == "apps/v1");
    workloads.map(|object| (object.name.as_str(), &object.body["spec"]["template"]["spec"]))
}

fn containers(pod: &Json) -> impl Iterator<Item = &Json> {
    let of = |field: &str| pod[field].as_array().map(Vec::as_slice).unwrap_or_default();
    of("initContainers").iter().chain(of("containers"))
}

#[test]
fn all_objects_are_as_they_were() {
    for (name, cluster) in matrix::plain() {
        sample::golden(&format!("kubernetes/{name}.yaml"), &yaml(&everything(&cluster)));
    }
}

#[test]
fn the_yaml_says_what_the_objects_are() {
    for (_, cluster) in matrix::plain() {
        for object in everything(&cluster) {
            let text = yaml(std::slice::from_ref(&object));
            let back: Json = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(back, object.body, "{text}");
        }
    }
}

#[test]
fn no_two_objects_have_the_same_name() {
    for (_, cluster) in matrix::plain() {
        let objects = everything(&cluster);
        let of =
            |object: &Object| (object.kind.clone(), object.namespace.clone(), object.name.clone());
        let distinct: BTreeSet<_> = objects.iter().map(of).collect();
        assert_eq!(distinct.len(), objects.len());
    }
}

#[test]
fn an_object_says_outside_what_stands_in_its_body() {
    for object in everything(&sample::cluster(3)) {
        assert_eq!(object.body["apiVersion"], object.api_version);
        assert_eq!(object.body["kind"], object.kind);
        assert_eq!(object.body["metadata"]["name"], object.name);
        assert_eq!(object.body["metadata"]["namespace"].as_str(), object.namespace.as_deref());
    }
}

#[test]
fn everything_but_the_definition_and_the_document_carries_our_labels() {
    let given = ["CustomResourceDefinition", "VaultCluster"];
    for object in everything(&sample::cluster(3)) {
        if !given.contains(&object.kind.as_str()) {
            let labels = &object.body["metadata"]["labels"];
            assert_eq!(labels[labels::MANAGED_BY], "vaultyard", "{} {}", object.kind, object.name);
            assert_eq!(labels[labels::INSTANCE], "vault", "{} {}", object.kind, object.name);
        }
    }
}

#[test]
fn namespaces_come_first_and_the_document_last() {
    let objects = installation(&sample::cluster(3), &release(), &definition(), &document());
    assert_eq!(objects[0].kind, "Namespace");
    assert_eq!(objects[1].kind, "Namespace");
    let last = objects.last().unwrap();
    assert_eq!((last.kind.as_str(), last.namespace.as_deref()), ("VaultCluster", Some("vault")));
}

#[test]
fn every_rule_of_every_role_names_its_objects() {
    let objects = everything(&sample::cluster(3));
    let roles: Vec<_> = objects.iter().filter(|object| object.kind == "Role").collect();
    assert_eq!(roles.len(), 6);
    for role in roles {
        for rule in role.body["rules"].as_array().unwrap() {
            let names = rule["resourceNames"].as_array().unwrap();
            assert!(!names.is_empty(), "{rule}");
            assert!(!rule.to_string().contains('*'), "{rule}");
        }
    }
}

#[test]
fn the_only_right_beyond_the_namespaces_is_to_ask_whose_a_token_is_and_no_pod_has_it() {
    let objects = everything(&sample::cluster(3));
    let beyond = objects.iter().filter(|object| object.kind == "ClusterRole");
    let rules: Vec<_> = beyond.map(|role| role.body["rules"].clone()).collect();
    let only = json!([{
        "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"],
    }]);
    assert_eq!(rules, [only]);
    let bindings = objects.iter().filter(|object| object.kind == "ClusterRoleBinding");
    let subjects: Vec<_> = bindings.map(|binding| binding.body["subjects"].clone()).collect();
    let reviewer = json!([{
        "kind": "ServiceAccount", "name": "vault-token-reviewer", "namespace": "vault-operations",
    }]);
    assert_eq!(subjects, [reviewer]);
    assert!(pods(&objects).all(|(_, pod)| pod["serviceAccountName"] != "vault-token-reviewer"));
}

#[test]
fn roles_do_not_change_with_the_number_of_servers() {
    let roles = |replicas| {
        let mut objects = everything(&sample::cluster(replicas));
        objects.retain(|object| object.kind.starts_with("Role"));
        objects
    };
    assert_eq!(roles(1), roles(9));
}

/// What the cluster controller may create: namespace, resource, name.
fn allowed(objects: &[Object]) -> BTreeSet<(String, String, String)> {
    let is_its =
        |object: &&Object| object.kind == "Role" && object.name == "vault-cluster-controller";
    let mut allowed = BTreeSet::new();
    for role in objects.iter().filter(is_its) {
        for rule in role.body["rules"].as_array().unwrap() {
            if !rule["verbs"].as_array().unwrap().contains(&json!("create")) {
                continue;
            }
            for name in rule["resourceNames"].as_array().unwrap() {
                let resource = rule["resources"][0].as_str().unwrap().to_owned();
                let namespace = role.namespace.clone().unwrap();
                allowed.insert((namespace, resource, name.as_str().unwrap().to_owned()));
            }
        }
    }
    allowed
}

#[test]
fn the_cluster_controller_may_write_exactly_what_it_keeps() {
    let plural = |kind: &str| match kind {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        kind => match optional::RESOURCES.iter().find(|resource| resource.kind == kind) {
            Some(resource) => resource.plural.to_owned(),
            None => format!("{}s", kind.to_lowercase()),
        },
    };
    let clusters = matrix::plain().map(|(_, cluster)| cluster).into_iter();
    for cluster in clusters.chain(matrix::optional().map(|(_, cluster)| cluster)) {
        let kept = workload(&cluster, &release(), "").into_iter();
        let mut kept: BTreeSet<_> = kept
            .map(|object| (object.namespace.unwrap(), plural(&object.kind), object.name))
            .collect();
        let lease = "vault-cluster-controller".to_owned();
        kept.insert(("vault-operations".to_owned(), "leases".to_owned(), lease));
        let names = Names::of(&cluster);
        let mut beside = |resource: &str, objects: Vec<String>| {
            let of = |name| ("vault".to_owned(), resource.to_owned(), name);
            kept.extend(objects.into_iter().map(of));
        };
        beside("events", names.events());
        beside("pods/eviction", names.every_server());
        let may = allowed(&everything(&cluster));
        // Rights do not come and go with the number of servers; the budgets of a single one do.
        let budgets = |of: &&(String, String, String)| of.1 == "poddisruptionbudgets";
        let surplus: Vec<_> = may.difference(&kept).filter(|of| !budgets(of)).collect();
        assert_eq!(surplus, Vec::<&(String, String, String)>::new());
        assert!(kept.is_subset(&may));
    }
}

#[test]
fn what_cannot_be_changed_later_does_not_change() {
    let mut other = zoned(5);
    other.servers.version = Version::new("2.8.0").unwrap();
    let newer = Release {
        vaultyard: release().vaultyard.replace('a', "c"),
        server: release().server.replace('b', "d"),
    };
    let before = workload(&sample::cluster(3), &release(), "before");
    let after = workload(&other, &newer, "after");
    let fields = |objects: &[Object]| {
        let set = the(objects, "StatefulSet", "vault")["spec"].clone();
        let mut all: Vec<Json> = ["selector", "serviceName", "podManagementPolicy"]
            .into_iter()
            .chain(["volumeClaimTemplates", "revisionHistoryLimit"])
            .map(|field| set[field].clone())
            .collect();
        all.push(the(objects, "Deployment", "vault-proxy")["spec"]["selector"].clone());
        for service in ["vault", "vault-servers"] {
            all.push(the(objects, "Service", service)["spec"]["clusterIP"].clone());
        }
        all
    };
    assert_eq!(fields(&before), fields(&after));
    let controllers = |cluster: &Cluster| {
        let objects = installation(cluster, &release(), &definition(), &document());
        let names = ["vault-cluster-controller", "vault-certificates-controller"];
        names.map(|name| {
            let selector = the(&objects, "Deployment", name)["spec"]["selector"].clone();
            (selector, the(&objects, "RoleBinding", name)["roleRef"].clone())
        })
    };
    assert_eq!(controllers(&sample::cluster(3)), controllers(&other));
}

#[test]
fn no_pod_has_a_right_on_its_node() {
    for (name, pod) in pods(&everything(&sample::cluster(3))) {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for container in containers(pod) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{name}");
            assert!(container["image"].as_str().unwrap().contains("@sha256:"), "{name}");
        }
    }
}

#[test]
fn no_pod_is_bound_to_a_node_that_cannot_run_it() {
    let all = everything(&sample::cluster(3));
    let pods: Vec<_> = pods(&all).collect();
    assert_eq!(pods.len(), 4);
    for (name, pod) in pods {
        assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}), "{name}");
    }
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_mount() {
    let clusters = [sample::cluster(3), transit()].map(|cluster| everything(&cluster));
    for (name, pod) in clusters.iter().flat_map(|objects| pods(objects)) {
        let named = |list: &Json| -> BTreeSet<String> {
            let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
            entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
        };
        let mut volumes = named(&pod["volumes"]);
        if name == "vault" {
            volumes.insert(server_pod::DATA.to_owned());
        }
        let mounts: BTreeSet<String> =
            containers(pod).flat_map(|container| named(&container["volumeMounts"])).collect();
        assert_eq!(mounts, volumes, "{name}");
    }
}

#[test]
fn the_unsealer_alone_sees_the_files_that_open_the_keys() {
    let mut cluster = transit();
    let pod = |cluster: &Cluster| {
        let objects = everything(cluster);
        the(&objects, "StatefulSet", "vault")["spec"]["template"]["spec"].clone()
    };
    let volume = |pod: &Json| {
        let volumes = pod["volumes"].as_array().unwrap().clone();
        volumes.into_iter().find(|volume| volume["name"] == server_pod::KEY_FILES).unwrap()
    };
    let seen = |pod: &Json| -> Vec<String> {
        let sees = |container: &&Json| {
            let mounts = container["volumeMounts"].as_array().unwrap();
            mounts.iter().any(|mount| mount["name"] == server_pod::KEY_FILES)
        };
        let names = containers(pod).filter(sees).map(|it| it["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    let source = json!({"secretName": "vault-key-files", "defaultMode": 0o440, "items": [
        {"key": "ca.pem", "path": "ca.pem"}, {"key": "token", "path": "token"},
    ]});
    assert_eq!(volume(&pod(&cluster))["secret"], source);
    assert_eq!(seen(&pod(&cluster)), [server_pod::UNSEALER]);
    cluster.keys.files_secret = vaultyard_model::cluster::ObjectName::new("handed-over");
    assert_eq!(volume(&pod(&cluster))["secret"]["secretName"], "handed-over");
    assert!(seen(&pod(&sample::cluster(3))).is_empty());
}

/// What runs the server's program, or what may have been put in its place, sees no more than the server.
#[test]
fn the_prover_sees_what_the_server_sees() {
    let objects = everything(&transit());
    let pod = &the(&objects, "StatefulSet", "vault")["spec"]["template"]["spec"];
    let seen = |name: &str| {
        let container = containers(pod).find(|container| container["name"] == name).unwrap();
        (container["volumeMounts"].clone(), container["env"].to_string().contains("secretKeyRef"))
    };
    assert_eq!(seen(server_pod::PROVER), seen(server_pod::SERVER));
}

#[test]
fn the_server_has_no_token_and_is_not_killed_by_a_probe() {
    let objects = everything(&sample::cluster(3));
    let pod = &the(&objects, "StatefulSet", "vault")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let server = &pod["containers"][0];
    assert_eq!(server["livenessProbe"], Json::Null);
    let mounts = server["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["name"] != server_pod::TOKEN));
}

#[test]
fn a_drain_leaves_a_majority_and_never_waits_for_the_only_server() {
    let objects = everything(&sample::cluster(5));
    let budget = &the(&objects, "PodDisruptionBudget", "vault")["spec"];
    assert_eq!(budget["minAvailable"], 3);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let alone = everything(&sample::cluster(1));
    assert!(alone.iter().all(|object| object.kind != "PodDisruptionBudget"));
}

#[test]
fn at_rest_nothing_runs_and_everything_else_stands() {
    let cluster = sample::cluster(3);
    let release = Release { vaultyard: "v@sha256:0".to_owned(), server: "s@sha256:0".to_owned() };
    let working = workload(&cluster, &release, "");
    let resting = at_rest(working.clone());
    let mut changed = Vec::new();
    for (one, other) in working.iter().zip(&resting) {
        if one != other {
            assert_eq!(other.body["spec"]["replicas"], 0);
            changed.push(one.kind.as_str());
        }
    }
    assert_eq!(changed, ["StatefulSet", "Deployment"]);
}
