//! Pods go, with and without their volumes.

use std::fs::File;
use std::time::Duration;

use vaultyard_e2e::kubernetes::{Container, Kube, Machines, SINGLE, Undo};
use vaultyard_e2e::wait;

/// One after the other.
#[track_caller]
pub(crate) fn are_deleted_with_and_without_their_volumes(cluster: &Kube) {
    for harm in [a_standby_and_the_leader, all_at_once, with_its_volume] {
        cluster.survives(harm);
    }
}

fn a_standby_and_the_leader(cluster: &Kube) {
    cluster.delete_pods(&[&cluster.standby()]);
    let _ = cluster.wait_until_ready();
    cluster.delete_pods(&[&cluster.leader()]);
}

fn all_at_once(cluster: &Kube) {
    let all = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
    cluster.delete_pods(&all.each_ref().map(String::as_str));
}

fn with_its_volume(cluster: &Kube) {
    let standby = cluster.standby();
    let claim = format!("data-{standby}");
    let _ = cluster.kubectl(&["delete", "persistentvolumeclaim", &claim, "--wait=false"]);
    cluster.delete_pods(&[&standby]);
}

/// An audit file that fills the volume ends the service.
#[test]
fn an_audit_file_that_has_grown() {
    let _machines = Machines::shared();
    Kube::declared_up(SINGLE).survives(|cluster| {
        let leader = cluster.leader();
        let file = cluster.files_of(&leader, Container::Server).join("vaultyard/data/audit.log");
        let grown = File::options().append(true).open(&file).unwrap();
        grown.set_len(grown.metadata().unwrap().len() + (65 << 20)).unwrap();
        wait("it is set aside", Duration::from_secs(90), || {
            file.with_extension("log.1").exists().then_some(())
        });
        wait("the server has opened another", Duration::from_secs(30), || {
            file.metadata().is_ok_and(|file| (1..65 << 20).contains(&file.len())).then_some(())
        });
    });
}

/// A node takes no pods while a server's is deleted.
pub(crate) fn a_node_that_cannot_hold_its_pod(machines: &Machines<'static>, cluster: &Kube) {
    cluster.survives(|cluster| {
        let standby = cluster.standby();
        let node = cluster.node_of(&standby);
        let undo = Undo::of(machines, &["uncordon", &node]);
        machines.cordon(&node);
        let _ = cluster.kubectl(&["delete", "pod", &standby]);
        let why = format!("{standby}: its pod waits: no node takes it");
        let status = cluster.wait_for("waiting", |status| status.reason.contains(&why));
        assert_eq!(status.phase, "Degraded", "{status:#?}");
        assert!(status.reason.contains("cordoned"), "{}", status.reason);
        assert!(cluster.event("Degraded").contains(&standby), "it is an event too");
        drop(undo);
    });
}
