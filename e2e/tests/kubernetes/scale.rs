//! Servers come and go while clients write through the proxies.

use std::time::Duration;

use vaultyard_e2e::kubernetes::{Kube, Machines};
use vaultyard_e2e::wait;

use crate::rollouts::declared;

/// Declares so many servers, and follows it while clients write: none of them fails, and nothing is lost.
#[track_caller]
fn follows(cluster: &Kube, replicas: u8) {
    cluster.declare(&declared(&format!("replicas: {replicas}, ")));
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let applied = cluster.apply(&["--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", cluster.all_there_is());
    writing.wait_for(20);
    let journal = writing.stop();
    let status = cluster.wait_until_ready();
    assert_eq!(status.servers.len(), usize::from(replicas), "{status:#?}");
    assert!(status.servers.iter().all(|server| server.voter == Some(true)), "{status:#?}");
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
}

/// Five share three zones, so that those that are there get other rules first where they may stand.
pub(crate) fn three_become_five_and_three_again(cluster: &Kube) {
    follows(cluster, 5);
    follows(cluster, 3);
}

/// Declares so many servers, and has somebody wait for it for a moment only.
fn begins(cluster: &Kube, replicas: u8) {
    cluster.declare(&declared(&format!("replicas: {replicas}, ")));
    let late = cluster.apply_within("4s", &["--yes"]);
    assert_eq!(late.code, Some(4), "{late:#?}");
}

/// Nothing is carried out of a document that another one has overtaken, and nothing is left half done.
pub(crate) fn another_document_comes_in_the_middle() {
    let cluster = Kube::declared_up(&declared("replicas: 1, "));
    begins(&cluster, 3);
    follows(&cluster, 1);
    follows(&cluster, 3);
    begins(&cluster, 1);
    follows(&cluster, 3);
}

#[test]
fn a_single_server_becomes_three_and_one_again_without_a_failed_request() {
    let _machines = Machines::shared();
    let cluster = Kube::declared_up(&declared("replicas: 1, "));
    follows(&cluster, 3);
    follows(&cluster, 1);
    for ordinal in [1, 2] {
        let server = cluster.server(ordinal);
        wait(&format!("{server} is gone"), Duration::from_secs(60), || {
            cluster.object(&["pod", &server]).is_none().then_some(())
        });
        assert!(cluster.object(&["pvc", &format!("data-{server}")]).is_some(), "it is kept");
    }
    // What is on it is nothing that a later one could not begin with.
    follows(&cluster, 3);
}
