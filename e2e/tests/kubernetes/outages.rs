//! Parts of Kubernetes and of the network are away for a while. Each test has the machines for itself.

use std::time::{Duration, Instant};

use vaultyard_e2e::kubernetes::{Kube, Machines, Part};
use vaultyard_e2e::wait;

/// For how long things are away here; `cargo xtask soak` has the long outages.
const OUTAGE: Duration = Duration::from_secs(20);

/// Lets time pass, in which writes must go on.
fn wait_out(writing_since: Instant) {
    wait("the outage is over", OUTAGE * 2, || (writing_since.elapsed() >= OUTAGE).then_some(()));
}

#[test]
fn the_api_server_is_away() {
    let machines = Machines::own();
    let cluster = Kube::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    machines.stop(&Part::ApiServer);
    let began = Instant::now();
    // Clients see nothing of it.
    writing.wait_for(200);
    wait_out(began);
    machines.start(&Part::ApiServer);
    writing.wait_for(50);
    let journal = writing.stop();
    let _ = cluster.wait_until_ready();
    let failed: Vec<_> = journal.failed().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(cluster.faults_of(&journal), []);
}

#[test]
fn a_node_is_cut_off() {
    let machines = Machines::own();
    let cluster = Kube::new();
    cluster.survives(|cluster| {
        let leader = cluster.leader();
        let node = cluster.node_of(&leader);
        machines.cut(&node);
        let began = Instant::now();
        let _ = cluster.wait_for("led by another", |status| {
            status.leader().is_some_and(|other| other != leader)
        });
        wait_out(began);
        machines.join(&node);
    });
}

#[test]
fn a_kubelet_is_restarted() {
    let machines = Machines::own();
    let cluster = Kube::new();
    cluster.survives(|cluster| {
        let kubelet = Part::Kubelet(cluster.node_of(&cluster.leader()));
        machines.stop(&kubelet);
        machines.start(&kubelet);
    });
}
