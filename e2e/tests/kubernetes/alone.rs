//! What becomes of the machines as a whole, which all clusters share. One test has them for itself: the
//! others wait for it, so it takes one cluster through all of it.

use vaultyard_e2e::kubernetes::{Kube, Machines};

use crate::{drains, outages, pods};

type Part = fn(&Machines<'static>, &Kube);

/// The long outages are in `soak`: after the API server was away, all of Kubernetes takes half a minute.
const PARTS: [(&str, Part); 4] = [
    ("nodes are drained", drains::nodes_one_after_the_other),
    ("a pod of higher priority", drains::a_leader_whose_place_is_taken),
    ("a node that takes no pods", pods::a_node_that_cannot_hold_its_pod),
    ("a kubelet is restarted", outages::a_kubelet_is_restarted),
];

#[test]
fn a_cluster_lives_through_what_becomes_of_its_machines() {
    let machines = Machines::own();
    let cluster = Kube::patient();
    for (what, part) in PARTS {
        println!("== {what}");
        part(&machines, &cluster);
    }
}
