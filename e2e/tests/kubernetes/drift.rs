//! What somebody changes by hand is put back at once, and told; so is what cannot be put back.

use std::time::{Duration, Instant};

use serde_json::json;
use vaultyard_e2e::kubernetes::{Kube, Machines};
use vaultyard_e2e::wait;

/// From the change to the end of it. The goal is a second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn edited_and_deleted_objects_come_back_and_a_wrong_document_changes_none() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let name = cluster.name().to_owned();

    cluster.survives(|cluster| edits_and_deletes(cluster, &name));
    a_lost_authority(&cluster, &name);
    a_wrong_document(&cluster, &name);
}

#[track_caller]
fn edits_and_deletes(cluster: &Kube, name: &str) {
    let set = ["statefulset", name];
    let _ = cluster.kubectl(&["scale", "statefulset", name, "--replicas=1"]);
    wait("the StatefulSet has three replicas again", SOON, || {
        (cluster.object(&set)?["spec"]["replicas"] == 3).then_some(())
    });
    let told = cluster.wait_for("told", |status| status.holds("DriftCorrected") == Some(true));
    let condition = told.conditions.iter().find(|it| it.kind == "DriftCorrected").unwrap();
    let what = "the StatefulSet";
    assert!(condition.message.contains(what), "{}", condition.message);
    assert!(condition.message.contains("replicas"), "{}", condition.message);
    let event = cluster.event("DriftCorrected");
    assert!(event.contains(what) && event.contains("replicas"), "{event}");

    let began = Instant::now();
    for object in [format!("service/{name}"), format!("configmap/{name}-document")] {
        let _ = cluster.kubectl(&["delete", &object]);
        wait(&format!("{object} is there again"), SOON, || cluster.object(&[&object]).map(drop));
    }
    let budget = format!("poddisruptionbudget/{name}");
    let _ = cluster.kubectl(&["label", "--overwrite", &budget, "app.kubernetes.io/component=mine"]);
    wait("the budget has its label again", SOON, || {
        let labels = &cluster.object(&[&budget])?["metadata"]["labels"];
        (labels["app.kubernetes.io/component"] == "server").then_some(())
    });
    assert!(began.elapsed() < 3 * SOON);
}

/// Nothing that runs needs it before a certificate is due: only its controller can tell, and no other is
/// made in its place.
#[track_caller]
fn a_lost_authority(cluster: &Kube, name: &str) {
    let (operations, secret) = (cluster.operations(), format!("{name}-authority"));
    let kept = cluster.object_in(&operations, &["secret", &secret]).unwrap();
    let _ = cluster.kubectl_in(&operations, &["delete", "secret", &secret]);
    let status = cluster.wait_for("told", |status| status.reason.contains("is gone or empty"));
    assert_eq!(status.phase, "Degraded", "{status:#?}");
    let backup = json!({
        "apiVersion": "v1", "kind": "Secret", "type": kept["type"], "data": kept["data"],
        "metadata": {"name": secret, "labels": kept["metadata"]["labels"]},
    });
    let file = cluster.write("authority.json", &backup.to_string());
    let _ = cluster.kubectl_in(&operations, &["create", "-f", &file]);
    let _ = cluster.wait_until_ready();
}

#[track_caller]
fn a_wrong_document(cluster: &Kube, name: &str) {
    let generation = |cluster: &Kube| {
        cluster.object(&["statefulset", name]).unwrap()["metadata"]["generation"].clone()
    };
    let before = generation(cluster);
    let patch = r#"{"spec":{"keys":{"shares":3,"threshold":5}}}"#;
    let said = cluster.try_kubectl(&["patch", "vaultcluster", name, "--type=merge", "-p", patch]);
    if said.code == Some(0) {
        let why = "5 shares cannot be required of 3";
        let status = cluster.wait_for("refused", |status| status.reason.contains(why));
        assert_eq!(status.phase, "Degraded");
        assert_eq!(status.named("leader").count(), 1, "what stands is still looked at");
    } else {
        assert!(said.stderr.contains("threshold"), "{}", said.stderr);
    }
    assert_eq!(generation(cluster), before);
}
