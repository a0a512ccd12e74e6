//! From a document to a secret written through the proxy, and what then stands there.

use vaultyard_e2e::kubernetes::{Kube, Machines};

#[test]
fn a_cluster_comes_up_takes_a_secret_and_goes_without_a_trace() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let status = cluster.wait_until_ready();
    assert_eq!(status.target, "kubernetes");
    let mut zones: Vec<_> = status.servers.iter().map(|server| &server.zone).collect();
    zones.sort();
    zones.dedup();
    assert_eq!(zones.len(), 3, "one server a zone");
    assert_eq!(status.holds("RootTokenRevoked"), Some(true));
    assert_eq!(status.holds("ServiceAccountLogins"), Some(true));
    assert_eq!(status.holds("KeyBesideData"), Some(true));

    let writing = cluster.start_writing();
    writing.wait_for(100);
    let journal = writing.stop();
    assert_eq!(journal.failed().count(), 0, "{:#?}", journal.failed().collect::<Vec<_>>());
    assert_eq!(cluster.faults_of(&journal), []);

    let again = cluster.up(&[]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert!(again.stderr.contains("objects are as they should be"), "{}", again.stderr);
    assert_eq!(cluster.faults_of(&journal), []);
}

#[test]
fn what_was_stopped_is_started_again_with_its_data() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let journal = writing.stop();

    let down = cluster.vaultyard(&["down"]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    let left = cluster.object(&["pods"]).unwrap();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(0), "{left:#}");
    let status = cluster.wait_for("stopped", |status| status.reason.contains("was stopped"));
    assert_eq!(status.phase, "Pending");

    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    assert_eq!(cluster.faults_of(&journal), []);
}

#[test]
fn what_was_destroyed_comes_back_with_its_data() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let journal = writing.stop();

    let refused = cluster.vaultyard(&["destroy", "--yes", "another"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    let destroyed = cluster.vaultyard(&["destroy", "--yes", cluster.name()]);
    assert_eq!(destroyed.code, Some(0), "{destroyed:#?}");
    let left = cluster.object(&["pods"]).unwrap();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(0), "{left:#}");

    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    assert_eq!(cluster.faults_of(&journal), []);
}
