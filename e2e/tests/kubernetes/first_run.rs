//! From a document to a secret written through the proxy, and what then stands there.

use std::process::Command;

use serde_json::json;
use vaultyard_e2e::Said;
use vaultyard_e2e::kubernetes::{Kube, Machines, SINGLE};

use crate::questions;

#[test]
fn a_cluster_comes_up_takes_a_secret_answers_and_goes_without_a_trace() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let status = cluster.wait_until_ready();
    assert_eq!(status.target, "kubernetes");
    let mut zones: Vec<_> = status.servers.iter().flat_map(|server| &server.zone).collect();
    zones.sort();
    zones.dedup();
    assert_eq!(zones.len(), 3, "one server a zone");
    assert_eq!(status.holds("RootTokenRevoked"), Some(true));
    assert_eq!(status.holds("ServiceAccountLogins"), Some(true));
    assert_eq!(status.holds("KeyBesideData"), Some(true));

    questions::a_secret_is_written_from_a_terminal(&cluster);
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let journal = writing.stop();
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);

    let again = cluster.up(&[]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert!(again.stderr.contains("objects are as they should be"), "{}", again.stderr);
    assert_eq!(cluster.faults_of(&journal), []);
    questions::are_answered_for_each_server(&cluster);
    goes_without_a_trace(&cluster);
}

/// Whoever wants to see it all before, or has it applied by what applies everything else.
#[test]
fn what_is_rendered_is_applied_by_kubectl_and_brought_up_afterwards() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(SINGLE);
    let rendered = cluster.render();
    let apply = |what: &str| {
        let file = cluster.write("rendered.yaml", what);
        Said::of(Command::new("kubectl").args(["apply", "--server-side", "-f", &file])).done()
    };
    // kubectl looks all kinds up before it makes any of them.
    let _ = apply(&cluster.definition());
    let said = apply(&rendered);
    assert!(said.contains(&format!("statefulset.apps/{} ", cluster.name())), "{said}");
    // kubectl is somebody else.
    let up = cluster.up(&["--adopt"]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    assert!(cluster.wait_until_ready().is_ready());
}

/// Everything but what somebody else has put there, and that keeps its namespace.
fn goes_without_a_trace(cluster: &Kube) {
    let name = cluster.name().to_owned();
    let claim = format!("data-{name}-7");
    let theirs = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    let file = cluster.write("claim.json", &theirs.to_string());
    let _ = cluster.kubectl(&["create", "-f", &file]);
    let words = ["destroy", "--yes", &name, "--volumes", "--keys"];
    let destroyed = cluster.vaultyard(&words);
    assert_eq!(destroyed.code, Some(0), "{destroyed:#?}");
    for said in [&claim, "which no server of this cluster has had", "in which there is more"] {
        assert!(destroyed.stderr.contains(said), "{said:?} is missing: {destroyed:#?}");
    }
    assert_eq!(cluster.object(&["namespace", &cluster.operations()]), None);
    let all = "pods,statefulsets,deployments,services,secrets,roles,vaultclusters,networkpolicies,\
               persistentvolumeclaims";
    let left = cluster.object(&[all]).unwrap();
    let left: Vec<_> = left["items"].as_array().unwrap().iter().collect();
    let names: Vec<_> = left.iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, [claim.as_str()]);
    let wide = format!("app.kubernetes.io/instance={name}");
    let kinds = "clusterroles,clusterrolebindings,validatingadmissionpolicies";
    let wide = cluster.object(&[kinds, "-l", &wide]).unwrap();
    assert_eq!(wide["items"].as_array().unwrap().len(), 0, "{wide:#}");

    // Nothing is left to be destroyed, and it says so.
    let again = cluster.vaultyard(&words);
    assert_eq!(again.code, Some(2), "{again:#?}");
}

#[test]
fn what_was_stopped_or_destroyed_comes_back_with_its_data() {
    let _machines = Machines::shared();
    let cluster = Kube::declared_up(SINGLE);
    let writing = cluster.start_writing();
    writing.wait_for(30);
    let journal = writing.stop();

    let down = cluster.vaultyard(&["down"]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    assert_eq!(cluster.pods(), Some(Vec::new()));
    let status = cluster.wait_for("stopped", |status| status.reason.contains("was stopped"));
    assert_eq!(status.phase, "Pending");

    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    assert_eq!(cluster.faults_of(&journal), []);

    let refused = cluster.vaultyard(&["destroy", "--yes", "another"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let destroyed = cluster.vaultyard(&["destroy", "--yes", cluster.name()]);
    assert_eq!(destroyed.code, Some(0), "{destroyed:#?}");
    assert_eq!(cluster.pods(), Some(Vec::new()));

    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    assert_eq!(cluster.faults_of(&journal), []);
}
