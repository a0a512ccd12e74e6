//! Parts of Kubernetes and of the network are away for a while. Whoever does that has the machines for
//! himself.

use std::time::{Duration, Instant};

use vaultyard_e2e::kubernetes::{Kube, Machines, Part};
use vaultyard_e2e::{journal, wait};

/// Lets time pass, in which writes must go on.
fn wait_out(began: Instant, outage: Duration) {
    wait("the outage is over", outage * 2, || (began.elapsed() >= outage).then_some(()));
}

/// Servers, unsealers and proxies go on without the API server: no request fails.
#[track_caller]
pub(crate) fn without_the_api_server(
    machines: &Machines<'static>,
    cluster: &Kube,
    outage: Duration,
) {
    // Logins with service accounts work again only when the machines have found the API server again,
    // which takes kube-proxy up to a minute.
    let access = cluster.access();
    let writing = cluster.start_writing();
    writing.wait_for(30);
    machines.stop(&Part::ApiServer);
    let began = Instant::now();
    // Clients see nothing of it.
    writing.wait_for(150);
    wait_out(began, outage);
    machines.start(&Part::ApiServer);
    let back = Instant::now();
    writing.wait_for(30);
    let journal = writing.stop();
    let _ = cluster.wait_until_ready();
    println!(
        "no API server for {outage:?}: {} writes, longest gap {:?}, Ready again {:?} after its return",
        journal.acknowledged(),
        journal.longest_gap,
        back.elapsed()
    );
    journal.expect_no_failure();
    assert_eq!(journal.verdict(&journal::read_back(&access, &journal)), []);
    machines.wait_until_at_work();
}

/// The leader's node is cut off: another leads, and nothing acknowledged is lost.
#[track_caller]
pub(crate) fn with_a_node_cut_off(machines: &Machines, cluster: &Kube, outage: Duration) {
    cluster.survives(|cluster| {
        let leader = cluster.leader();
        let node = cluster.node_of(&leader);
        machines.cut(&node);
        let began = Instant::now();
        let _ = cluster.wait_for("led by another", |status| {
            status.leader().is_some_and(|other| other != leader)
        });
        println!("the leader's node cut off: another leads {:?} later", began.elapsed());
        wait_out(began, outage);
        machines.join(&node);
        let back = Instant::now();
        let _ = cluster.wait_until_ready();
        println!("after {outage:?} cut off: Ready again {:?} after its return", back.elapsed());
    });
}

pub(crate) fn a_kubelet_is_restarted(machines: &Machines<'static>, cluster: &Kube) {
    cluster.survives(|cluster| {
        let kubelet = Part::Kubelet(cluster.node_of(&cluster.leader()));
        machines.stop(&kubelet);
        machines.start(&kubelet);
    });
}
