//! Servers and their unsealers die while clients write. Whatever happens, the cluster comes back by
//! itself, and no acknowledged write is lost or applied twice.

use rustix::process::Signal;
use vaultyard_e2e::kubernetes::{Container, Kube, Machines};

/// Does `harm` under load, waits until all is ready again, and holds the journal against the store.
#[track_caller]
fn survives(harm: impl FnOnce(&Kube)) {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    harm(&cluster);
    writing.wait_for(50);
    let journal = writing.stop();
    let _ = cluster.wait_until_ready();
    assert_eq!(cluster.faults_of(&journal), [], "{:#?}", journal.failed().collect::<Vec<_>>());
}

#[test]
fn killed_servers_one_by_one_and_all_at_once() {
    survives(|cluster| {
        let standby = cluster.standby();
        cluster.recovers_from(&[&standby], |cluster| cluster.kill(&[&standby]));
        let leader = cluster.leader();
        cluster.recovers_from(&[&leader], |cluster| cluster.kill(&[&leader]));
        let all = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
        let all = all.each_ref().map(String::as_str);
        cluster.recovers_from(&all, |cluster| cluster.kill(&all));
    });
}

#[test]
fn a_leader_that_stands_still_is_ended_by_its_unsealer() {
    survives(|cluster| {
        let leader = cluster.leader();
        cluster.recovers_from(&[&leader], |cluster| {
            cluster.signal(&leader, Container::Server, Signal::STOP);
        });
    });
}

#[test]
fn killed_unsealers_leave_the_servers_alone() {
    survives(|cluster| {
        let servers = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
        let restarts = |container| servers.each_ref().map(|pod| cluster.restarts(pod, container));
        let before = (restarts(Container::Server), restarts(Container::Unsealer));
        for pod in &servers {
            cluster.signal(pod, Container::Unsealer, Signal::KILL);
        }
        let deadline = std::time::Duration::from_secs(60);
        vaultyard_e2e::wait("all unsealers are started anew", deadline, || {
            let now = restarts(Container::Unsealer);
            now.iter().zip(&before.1).all(|(now, before)| now > before).then_some(())
        });
        let _ = cluster.wait_until_ready();
        assert_eq!(restarts(Container::Server), before.0);
    });
}
