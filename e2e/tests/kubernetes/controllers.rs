//! Controllers die; the other pod takes over, and what was begun is brought to its end.

use std::time::{Duration, Instant};

use vaultyard_e2e::kubernetes::{Kube, Machines, SINGLE};
use vaultyard_e2e::wait;

/// The longest that a hand-over may take after a kill: the lease has to run out.
const AFTER_A_KILL: Duration = Duration::from_secs(15);
/// And when it is given back in order. The goal is two seconds; the rest is for a busy machine.
const IN_ORDER: Duration = Duration::from_secs(10);

#[test]
fn another_leads_after_a_kill_and_at_once_after_an_orderly_end() {
    let _machines = Machines::shared();
    Kube::declared_up(SINGLE).survives(hand_over_and_come_back);
}

#[track_caller]
fn hand_over_and_come_back(cluster: &Kube) {
    let leading = |cluster: &Kube| cluster.leading("cluster-controller");
    let other_than = |before: &str, within: Duration| {
        let before = before.to_owned();
        wait("another controller leads", within + Duration::from_secs(5), || {
            leading(cluster).filter(|now| *now != before)
        })
    };
    let first = leading(cluster).expect("a controller leads");
    let began = Instant::now();
    cluster.kill_pod(&cluster.operations(), &first, "controller");
    // The killed one is started again under the same name: only a hand-over to the other counts
    // here, so it is deleted as well, without any grace.
    let words = ["delete", "pod", &first, "--force", "--grace-period=0"];
    let _ = cluster.kubectl_in(&cluster.operations(), &words);
    let second = other_than(&first, AFTER_A_KILL);
    assert!(began.elapsed() < AFTER_A_KILL + IN_ORDER, "{:?}", began.elapsed());

    // There is somebody to take over.
    let deployment = format!("{}-cluster-controller", cluster.name());
    let words = ["rollout", "status", "deployment", &deployment, "--timeout=120s"];
    let _ = cluster.kubectl_in(&cluster.operations(), &words);
    let began = Instant::now();
    let words = ["delete", "pod", &second, "--wait=false"];
    let _ = cluster.kubectl_in(&cluster.operations(), &words);
    let _ = other_than(&second, IN_ORDER);
    assert!(began.elapsed() < IN_ORDER, "{:?}", began.elapsed());
    let _ = cluster.wait_until_ready();

    // With none of them left, what was written last is no news.
    let scale = |replicas: &str| {
        let words = ["scale", "deployment", &deployment, "--replicas", replicas];
        let _ = cluster.kubectl_in(&cluster.operations(), &words);
    };
    scale("0");
    let status = cluster.wait_for("kept true by nobody", |status| status.phase == "Unknown");
    assert!(status.reason.contains("no cluster controller"), "{}", status.reason);
    assert_eq!(status.holds("Ready"), Some(false));
    scale("2");
}
