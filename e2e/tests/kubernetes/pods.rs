//! Pods go, with and without their volumes.

use vaultyard_e2e::kubernetes::{Kube, Machines, Undo};

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

#[test]
fn a_node_that_cannot_hold_its_pod() {
    let machines = Machines::own();
    let cluster = Kube::new();
    cluster.survives(|cluster| {
        let standby = cluster.standby();
        let node = cluster.node_of(&standby);
        let undo = Undo::of(&machines, &["uncordon", &node]);
        machines.cordon(&node);
        let _ = cluster.kubectl(&["delete", "pod", &standby]);
        let why = format!("{standby}: its pod waits: no node takes it");
        let status = cluster.wait_for("waiting", |status| status.reason.contains(&why));
        assert_eq!(status.phase, "Degraded", "{status:#?}");
        assert!(status.reason.contains("cordoned"), "{}", status.reason);
        drop(undo);
    });
}
