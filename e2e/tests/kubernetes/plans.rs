//! A change is shown before it is made, made when it is approved, and refused when the cluster could
//! not become what it asks for.

use serde_json::Value;
use vaultyard_e2e::kubernetes::{Kube, Machines, PATIENT};

use crate::questions;

const CHANGES: Option<i32> = Some(3);
const BAD_INPUT: Option<i32> = Some(2);
const REFUSED: Option<i32> = Some(5);

/// What `plan` says, as a program reads it; the exit code says whether anything would change.
#[track_caller]
fn plan(cluster: &Kube, code: Option<i32>) -> Value {
    let said = cluster.plan(&["--detailed-exitcode", "--output", "json"]);
    assert_eq!(said.code, code, "{said:#?}");
    serde_json::from_str(&said.stdout).unwrap()
}

/// The kinds of what would be done so, in order.
fn kinds<'a>(plan: &'a Value, action: &str) -> Vec<&'a str> {
    let changes = plan["changes"].as_array().unwrap().iter();
    let done = changes.filter(|change| change["action"] == action);
    done.map(|change| change["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_change_is_shown_then_approved_then_made_or_refused() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(PATIENT);
    let first = plan(&cluster, CHANGES);
    assert!(kinds(&first, "create").contains(&"StatefulSet"), "{first:#}");
    assert_eq!(kinds(&first, "update"), Vec::<&str>::new());
    let said = cluster.apply(&[]);
    assert_eq!(said.code, REFUSED, "nobody can be asked: {said:#?}");
    let namespace = cluster.try_kubectl(&["get", "namespace", cluster.name()]);
    assert_ne!(namespace.code, Some(0), "something was written: {namespace:#?}");

    let said = cluster.apply(&["--yes"]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    assert_eq!(kinds(&plan(&cluster, Some(0)), "update"), Vec::<&str>::new());

    let writing = cluster.start_writing();
    writing.wait_for(30);
    cluster.declare(&format!("{PATIENT}  ingress: {{proxy: {{maxHeld: 77}}}}\n"));
    let second = plan(&cluster, CHANGES);
    assert_eq!(kinds(&second, "update"), ["VaultCluster", "ConfigMap", "Deployment"]);
    let field = &second["changes"][0]["fields"][0];
    assert_eq!(field["after"]["proxy"]["maxHeld"], 77, "{second:#}");
    assert_eq!(second["consequences"][0]["of"], "proxies");
    let said = cluster.apply(&["--yes"]);
    assert_eq!(said.code, Some(0), "{said:#?}");
    let proxies = format!("deployment/{}-proxy", cluster.name());
    let _ = cluster.kubectl(&["rollout", "status", &proxies, "--timeout=120s"]);
    writing.wait_for(30);
    let journal = writing.stop();
    journal.expect_no_failure();
    assert_eq!(kinds(&plan(&cluster, Some(0)), "update"), Vec::<&str>::new());
    what_it_cannot_become(&cluster);
    questions::are_answered_as_far_as_there_are_pods(&cluster);
}

/// Whoever is asked refuses it.
#[track_caller]
fn what_it_cannot_become(cluster: &Kube) {
    let name = cluster.name().to_owned();
    cluster.declare("  keys: {shares: 7}\n  servers: {storage: {raft: {size: 20Gi}}}\n");
    for said in [cluster.plan(&[]), cluster.apply(&["--yes"]), cluster.up(&[]), cluster.check(&[])]
    {
        assert_eq!(said.code, BAD_INPUT, "{said:#?}");
        for word in ["shares was 5 and is 7 now", "size was 10Gi and is 20Gi now"] {
            assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
        }
    }
    // Who goes past the program meets the controller.
    let patch = r#"{"spec":{"keys":{"shares":7}}}"#;
    let _ = cluster.kubectl(&["patch", "vaultcluster", &name, "--type=merge", "-p", patch]);
    let why = "spec.keys.shares was 5 and is 7 now";
    let status = cluster.wait_for("refused", |status| status.reason.contains(why));
    assert_eq!(status.phase, "Degraded");
    let followed = cluster.object(&["configmap", &format!("{name}-document")]).unwrap();
    assert!(!followed["data"].to_string().contains("shares"), "{followed:#}");
    let patch = r#"{"spec":{"keys":null}}"#;
    let _ = cluster.kubectl(&["patch", "vaultcluster", &name, "--type=merge", "-p", patch]);
    let _ = cluster.wait_until_ready();
}
