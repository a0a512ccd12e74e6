//! Pods go, with and without their volumes.

use std::fs::File;
use std::time::Duration;

use vaultyard_e2e::kubernetes::{Container, Kube, Machines, Undo};
use vaultyard_e2e::wait;

#[track_caller]
fn survives(harm: impl FnOnce(&Kube)) {
    let _machines = Machines::shared();
    Kube::new().survives(harm);
}

#[test]
fn a_deleted_standby_and_a_deleted_leader() {
    survives(|cluster| {
        cluster.delete_pods(&[&cluster.standby()]);
        let _ = cluster.wait_until_ready();
        cluster.delete_pods(&[&cluster.leader()]);
    });
}

#[test]
fn all_pods_deleted_at_once() {
    survives(|cluster| {
        let all = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
        cluster.delete_pods(&all.each_ref().map(String::as_str));
    });
}

#[test]
fn a_lost_volume() {
    survives(|cluster| {
        let standby = cluster.standby();
        let claim = format!("data-{standby}");
        let _ = cluster.kubectl(&["delete", "persistentvolumeclaim", &claim, "--wait=false"]);
        cluster.delete_pods(&[&standby]);
    });
}

/// An audit file that fills the volume ends the service.
#[test]
fn an_audit_file_that_has_grown() {
    survives(|cluster| {
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
