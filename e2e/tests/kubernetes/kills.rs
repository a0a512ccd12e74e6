//! Servers and their unsealers die while clients write. Whatever happens, the cluster comes back by
//! itself, and no acknowledged write is lost or applied twice.

use std::time::Duration;

use rustix::process::Signal;
use vaultyard_e2e::kubernetes::{Container, Kube, Machines};
use vaultyard_e2e::wait;

use crate::pods;

/// Does `harm` under load, waits until all is ready again, and holds the journal against the store.
#[track_caller]
fn survives(cluster: &Kube, harm: impl FnOnce(&Kube)) {
    let writing = cluster.start_writing();
    writing.wait_for(30);
    harm(cluster);
    writing.wait_for(30);
    let journal = writing.stop();
    let _ = cluster.wait_until_ready();
    assert_eq!(cluster.faults_of(&journal), [], "{:#?}", journal.failed().collect::<Vec<_>>());
}

/// One after the other on one cluster.
#[test]
fn processes_are_killed_and_stand_still_and_pods_are_deleted() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    for harm in [servers_one_by_one_and_all_at_once, a_leader_that_stands_still, unsealers_alone] {
        survives(&cluster, harm);
    }
    pods::are_deleted_with_and_without_their_volumes(&cluster);
}

fn servers_one_by_one_and_all_at_once(cluster: &Kube) {
    let standby = cluster.standby();
    cluster.recovers_from(&[&standby], |cluster| cluster.kill(&[&standby]));
    let leader = cluster.leader();
    cluster.recovers_from(&[&leader], |cluster| cluster.kill(&[&leader]));
    let all = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
    let all = all.each_ref().map(String::as_str);
    cluster.recovers_from(&all, |cluster| cluster.kill(&all));
}

/// Its unsealer ends it.
fn a_leader_that_stands_still(cluster: &Kube) {
    let leader = cluster.leader();
    cluster.recovers_from(&[&leader], |cluster| {
        cluster.signal(&leader, Container::Server, Signal::STOP);
    });
}

/// Their servers go on as if nothing were.
fn unsealers_alone(cluster: &Kube) {
    let servers = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
    let restarts = |container| servers.each_ref().map(|pod| cluster.restarts(pod, container));
    let before = (restarts(Container::Server), restarts(Container::Unsealer));
    for pod in &servers {
        cluster.signal(pod, Container::Unsealer, Signal::KILL);
    }
    wait("all unsealers are started anew", Duration::from_secs(60), || {
        let now = restarts(Container::Unsealer);
        now.iter().zip(&before.1).all(|(now, before)| now > before).then_some(())
    });
    let _ = cluster.wait_until_ready();
    assert_eq!(restarts(Container::Server), before.0);
}
