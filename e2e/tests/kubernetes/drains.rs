//! Pods that go as planned take no request with them: evictions, drained nodes, the leader's too.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use vaultyard_e2e::kubernetes::{Container, Kube, Logs, Machines, Undo, another_digest, own_image};
use vaultyard_e2e::wait;

/// Does `planned` under load: nothing fails, nothing is lost.
#[track_caller]
fn fails_no_request(cluster: &Kube, planned: impl FnOnce(&Kube)) {
    let mut logs = Logs::follow(cluster);
    let writing = cluster.start_writing();
    writing.wait_for(50);
    planned(cluster);
    let _ = cluster.wait_until_ready();
    writing.wait_for(50);
    logs.follow_new();
    let journal = writing.stop();
    if let Some(moment) = journal.first_failure {
        println!("around the first failure, at {moment}:\n{}", logs.around(moment));
    }
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
}

/// One after the other on one cluster.
#[test]
fn leaders_proxies_and_all_that_another_release_changes_go_as_planned() {
    let _machines = Machines::shared();
    let cluster = Kube::patient();
    for planned in [leaders, all_proxies, another_release] {
        planned(&cluster);
    }
    a_leader_that_goes_unplanned_fails_requests(&cluster);
}

fn leaders(cluster: &Kube) {
    fails_no_request(cluster, |cluster| {
        for _ in 0..2 {
            let leader = cluster.leader();
            cluster.delete_pods(&[&leader]);
            let _ = cluster.wait_until_ready();
            assert_ne!(cluster.leader(), leader, "another one leads");
        }
    });
}

fn all_proxies(cluster: &Kube) {
    fails_no_request(cluster, |cluster| {
        let proxies = format!("deployment/{}-proxy", cluster.name());
        // What the person changes is put back, which rolls the proxies a second time.
        let _ = cluster.kubectl(&["rollout", "restart", &proxies]);
        let _ = cluster.kubectl(&["rollout", "status", &proxies, "--timeout=120s"]);
    });
}

fn another_release(cluster: &Kube) {
    let image = another_digest(&own_image());
    fails_no_request(cluster, |cluster| {
        let up = cluster.up(&["--image", &image]);
        assert_eq!(up.code, Some(0), "{up:#?}");
    });
    // Controllers, proxies and servers.
    for pod in cluster.pods().unwrap() {
        assert!(pod["spec"].to_string().contains(&image), "{pod:#}");
    }
}

/// What these prove rests on clients that see a request fail when one does.
#[track_caller]
fn a_leader_that_goes_unplanned_fails_requests(cluster: &Kube) {
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let leader = cluster.leader();
    cluster.recovers_from(&[&leader], |cluster| {
        // It has writes that it has not answered when it goes, and nobody knows whether they were done.
        cluster.signal(&leader, Container::Server, Signal::STOP);
        writing.wait_for_all_in_flight();
        cluster.kill(&[&leader]);
    });
    assert!(writing.has_failed());
    let journal = writing.stop();
    assert_eq!(cluster.faults_of(&journal), []);
}

/// Whoever drains a node drains it of everybody's pods.
pub(crate) fn nodes_one_after_the_other(machines: &Machines<'static>, cluster: &Kube) {
    fails_no_request(cluster, |cluster| {
        for node in ["node-a", "node-b", "node-c"] {
            machines.drain(node);
            machines.uncordon(node);
            let _ = cluster.wait_until_ready();
        }
    });
}

/// Whoever preempts takes the place of everybody's pods on that node.
pub(crate) fn a_leader_whose_place_is_taken(machines: &Machines<'static>, cluster: &Kube) {
    let image = own_image();
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "goes-first"}, "value": 1_000_000,
    });
    fails_no_request(cluster, |cluster| {
        let leader = cluster.leader();
        let node = cluster.node_of(&leader);
        let room =
            cluster.object(&["node", &node]).unwrap()["status"]["allocatable"]["cpu"].clone();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "goes-first", "namespace": "default"},
            "spec": {
                "priorityClassName": "goes-first",
                "nodeSelector": {"kubernetes.io/hostname": node},
                // What it does counts for nothing: it has the place as soon as it is bound.
                "containers": [{"name": "it", "image": image, "args": ["completions", "bash"],
                                "resources": {"requests": {"cpu": room}}}],
            },
        });
        let words = ["delete", "pod/goes-first", "priorityclass/goes-first", "-n", "default"];
        let undo = Undo::of(machines, &[&words[..], &["--ignore-not-found"]].concat());
        for (name, object) in [("class.json", &class), ("pod.json", &pod)] {
            let file = cluster.write(name, &object.to_string());
            let _ = cluster.kubectl_in("default", &["create", "-f", &file]);
        }
        wait("the leader's place is taken", Duration::from_secs(120), || {
            let pod = cluster.pod_in("default", "goes-first")?;
            (pod["spec"]["nodeName"] == node.as_str()).then_some(())
        });
        let _ = cluster.wait_for("led by another", |status| {
            status.leader().is_some_and(|other| other != leader)
        });
        drop(undo);
    });
}
