//! Servers take what is declared for them one after another, the leader last, and no request fails.

use std::collections::BTreeSet;

use serde_json::json;
use vaultyard_e2e::Status;
use vaultyard_e2e::kubernetes::{Kube, Machines, PATIENT, image};

/// A level that no server knows: with it none starts.
const BROKEN: &str = "configuration: {log_level: nonsense}, ";

/// A document of a cluster of which no request may fail, with more said of its servers.
pub(crate) fn declared(servers: &str) -> String {
    PATIENT.replacen('{', &format!("{{{servers}"), 1)
}

/// The `uid` of every server's pod.
fn pods(cluster: &Kube) -> BTreeSet<String> {
    let uid = |server| cluster.pod(&cluster.server(server)).unwrap()["metadata"]["uid"].to_string();
    (0..3).map(uid).collect()
}

#[test]
fn a_configuration_comes_to_one_server_after_another_and_one_that_does_not_run_goes_again() {
    let _machines = Machines::shared();
    let cluster = Kube::patient();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let (first, leader) = (pods(&cluster), cluster.leader());
    cluster.declare(&declared("configuration: {log_level: debug}, "));
    let plan = cluster.plan(&[]);
    assert!(plan.stdout.contains("replaced one after another, the leader last"), "{plan:#?}");
    let applied = cluster.apply(&["--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", cluster.all_there_is());
    println!("{}", applied.stderr);
    let table: Vec<_> = applied.stderr.lines().filter(|line| line.ends_with(" s")).collect();
    let last = table.iter().rfind(|line| line.starts_with(cluster.name()));
    assert!(last.is_some_and(|line| line.starts_with(&leader)), "{applied:#?}");
    let second = pods(&cluster);
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");

    let leader = cluster.leader();
    cluster.declare(&declared(BROKEN));
    let late = cluster.apply_within("20s", &["--yes"]);
    assert_eq!(late.code, Some(4), "{late:#?}");
    // Whoever leads next goes on where this one was.
    let controller = cluster.leading("cluster-controller").unwrap();
    let _ = cluster.kubectl_in(&cluster.operations(), &["delete", "pod", &controller]);
    let status = cluster.wait_for("stopped at the first", |status| {
        status.phase == "Upgrading" && status.reason.contains("its process ended")
    });
    assert!(status.reason.starts_with("2 servers are still to be replaced"), "{}", status.reason);
    assert_eq!(status.leader(), Some(leader.as_str()));
    let third = pods(&cluster);
    assert_eq!(second.intersection(&third).count(), 2, "{second:?} {third:?}");

    cluster.declare(&declared("configuration: {log_level: debug}, "));
    let applied = cluster.apply(&["--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", cluster.all_there_is());
    let fourth = pods(&cluster);
    assert_eq!(third.intersection(&fourth).count(), 2, "{third:?} {fourth:?}");
    assert_eq!(cluster.leader(), leader);
    writing.wait_for(50);
    let journal = writing.stop();
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
}

/// The versions that servers say they run.
pub(crate) fn versions(status: &Status) -> Vec<String> {
    status.servers.iter().filter_map(|server| server.version.clone()).collect()
}

#[test]
fn another_version_comes_without_a_failed_request_and_is_bound_to_a_snapshot() {
    let _machines = Machines::shared();
    let of = |version: &str| declared(&format!("version: {version}, "));
    let cluster = Kube::declared(&of("2.6.2"));
    let up = cluster.up(&["--server-image", &image("openbao-2.6.2")]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    let writing = cluster.start_writing();
    writing.wait_for(50);

    let upgraded = cluster.upgrade(&["--to", "2.7.2", "--yes"]);
    assert_eq!(upgraded.code, Some(0), "{upgraded:#?}\n{}", cluster.all_there_is());
    for said in ["snapshot    is taken first", "way back    none but that snapshot"] {
        assert!(upgraded.stdout.contains(said), "{upgraded:#?}");
    }
    assert_eq!(versions(&cluster.wait_until_ready()), ["2.7.2"; 3].map(str::to_owned));
    assert!(std::fs::read_to_string(cluster.document()).unwrap().contains("version: 2.7.2"));
    let object = cluster.object(&["vaultcluster", cluster.name()]).unwrap();
    let change = &object["status"]["versionChange"];
    assert_eq!((&change["from"], &change["led"]), (&json!(["2.6.2"]), &json!(true)), "{change:#}");
    assert!(change["snapshot"].as_str().is_some_and(|name| name.ends_with('Z')), "{change:#}");

    let document = cluster.document();
    let rollback = cluster.vaultyard(&["rollback", "-f", &document, "--yes"]);
    assert_eq!(rollback.code, Some(5), "{rollback:#?}");
    assert!(rollback.stderr.contains(change["snapshot"].as_str().unwrap()), "{rollback:#?}");
    cluster.declare(&of("2.6.2"));
    let refused = cluster.apply(&["--yes", "--server-image", &image("openbao-2.6.2")]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("is a snapshot"), "{refused:#?}");

    cluster.declare(&of("2.7.1"));
    let flags = ["--yes", "--without-snapshot", "--server-image", &image("openbao-2.7.1")];
    let applied = cluster.apply(&flags);
    assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", cluster.all_there_is());
    let object = cluster.object(&["vaultcluster", cluster.name()]).unwrap();
    let change = &object["status"]["versionChange"];
    assert_eq!(change["withoutSnapshot"], true, "{change:#}");
    assert_eq!(versions(&cluster.wait_until_ready()), ["2.7.1"; 3].map(str::to_owned));
    writing.wait_for(50);
    let journal = writing.stop();
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
}
