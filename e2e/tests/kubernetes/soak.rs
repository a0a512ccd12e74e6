//! What takes minutes: what becomes of the machines, which all clusters share, every right, one more way to open the
//! keys, and every named step of unsealers and controllers. Run by `make soak`; each prints what it has measured.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use vaultyard_e2e::kubernetes::{Container, Kube, Machines};
use vaultyard_e2e::wait;

use crate::permissions::needed;
use crate::{drains, key_stores, outages, pods, scale};

/// So many clusters at a time: they mostly wait.
const AT_A_TIME: usize = 3;
/// What only data under other keys, a lost answer or a cluster without a document leads to. On one
/// machine these are tried too.
const ELSEWHERE: [&str; 4] =
    ["keys/remove-peer/", "keys/wipe/", "keys/discard-intent/", "access/mount-secret/"];
/// What the cluster controller writes, by kind, and how each is called after the cluster's name.
const KEPT: [(&str, &str); 6] = [
    ("ConfigMap", "-document"),
    ("NetworkPolicy", "-servers"),
    ("Service", ""),
    ("PodDisruptionBudget", ""),
    ("StatefulSet", ""),
    ("Deployment", "-proxy"),
];
/// Secrets that are written anew when they are gone.
const ISSUED: [&str; 3] = ["-server-certificates", "-identities", "-proxy-certificate"];

type Part = fn(&Machines<'static>, &Kube);

/// While one has the machines for itself no other test goes on, so one cluster goes through all of it.
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
        let began = Instant::now();
        part(&machines, &cluster);
        println!("{what}: whole again after {:.1} s", began.elapsed().as_secs_f64());
    }
}

#[test]
fn a_cluster_without_rights_asks_for_each_that_it_has() {
    let _machines = Machines::shared();
    let began = Instant::now();
    needed::a_cluster_without_rights_asks_for_each_that_it_has();
    println!("each right was asked for and given: {:.1} s", began.elapsed().as_secs_f64());
}

/// In the tests it is logged in to by an account, and files are those of age.
#[test]
fn the_transit_engine_of_another_cluster_by_a_token() {
    let _machines = Machines::shared();
    let began = Instant::now();
    key_stores::the_transit_engine_of_another_cluster_by_a_token();
    println!("keys by a token of another cluster: {:.1} s", began.elapsed().as_secs_f64());
}

#[test]
fn three_servers_become_five_and_three_again() {
    let _machines = Machines::shared();
    let began = Instant::now();
    scale::three_become_five_and_three_again(&Kube::patient());
    println!("3, 5 and 3 servers: {:.1} s in all", began.elapsed().as_secs_f64());
}

#[test]
fn servers_come_and_go_and_another_document_comes_in_the_middle() {
    let _machines = Machines::shared();
    let began = Instant::now();
    scale::another_document_comes_in_the_middle();
    println!("1, 3, 1, 3, 1 and 3 servers, two halfway: {:.1} s", began.elapsed().as_secs_f64());
}

#[test]
fn the_api_server_is_away_for_a_minute() {
    let machines = Machines::own();
    outages::without_the_api_server(&machines, &Kube::patient(), Duration::from_secs(60));
}

#[test]
fn a_node_is_cut_off_for_two_minutes() {
    let machines = Machines::own();
    outages::with_a_node_cut_off(&machines, &Kube::new(), Duration::from_secs(120));
}

/// An unsealer dies at the point, once beside each server that comes by it; the cluster becomes
/// whole without a hand.
#[test]
fn unsealers_die_at_each_of_their_steps() {
    let _machines = Machines::shared();
    let points = Kube::declared("").vaultyard(&["fault-points"]).done();
    let points = points.lines().filter(|point| !ELSEWHERE.iter().any(|it| point.starts_with(it)));
    let open: Mutex<VecDeque<String>> = Mutex::new(points.map(str::to_owned).collect());
    assert!(open.lock().is_ok_and(|open| !open.is_empty()), "there are no fault points");
    let failed = Mutex::new(Vec::new());
    let take = || open.lock().expect("a queue").pop_front();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(point) = take() {
                    if catch_unwind(AssertUnwindSafe(|| comes_up_although(&point))).is_err() {
                        failed.lock().expect("a list").push(point);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    assert!(failed.is_empty(), "no whole cluster after {failed:#?}");
}

fn comes_up_although(point: &str) {
    let cluster = Kube::declared("");
    let name = cluster.name();
    let _ = cluster.kubectl(&["create", "namespace", name]);
    let (document, fault) = (format!("{name}-document"), format!("--from-literal=fault={point}"));
    let _ = cluster.kubectl(&["create", "configmap", &document, &fault]);
    let began = Instant::now();
    let said = cluster.up(&["--adopt"]);
    assert_eq!(said.code, Some(0), "{point}: {said:#?}\n{}", cluster.all_there_is());
    let servers = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
    let died = servers.iter().filter(|pod| cluster.restarts(pod, Container::Unsealer) > Some(0));
    let died = died.count();
    println!("{point}: {died} died, Ready after {:.1} s", began.elapsed().as_secs_f64());
    assert!(died > 0, "{point} was not reached");
    let writing = cluster.start_writing();
    writing.wait_for(5);
    assert_eq!(cluster.faults_of(&writing.stop()), []);
}

#[test]
fn controllers_that_are_killed_again_and_again_still_bring_a_cluster_up() {
    let _machines = Machines::shared();
    let cluster = Kube::declared("");
    let began = Instant::now();
    std::thread::scope(|scope| {
        let up = scope.spawn(|| cluster.up(&[]));
        while !up.is_finished() {
            for part in ["cluster-controller", "certificates-controller"] {
                for pod in cluster.pods_of(&cluster.operations(), part) {
                    let _ = cluster.try_kill_pod(&cluster.operations(), &pod, "controller");
                }
            }
            std::thread::sleep(Duration::from_secs(2));
        }
        let said = up.join().unwrap();
        // It may be late after so many deaths; what counts is that it gets there.
        assert!(matches!(said.code, Some(0 | 4)), "{said:#?}\n{}", cluster.all_there_is());
    });
    let _ = cluster.wait_until_ready();
    println!(
        "controllers killed again and again: Ready after {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

/// A controller dies right after each kind of thing that it writes; it, or the other one, goes on.
#[test]
fn controllers_die_after_each_write() {
    let _machines = Machines::shared();
    Kube::new().survives(|cluster| {
        let name = cluster.name();
        for (kind, suffix) in KEPT {
            let (point, object) =
                (format!("cluster/{kind}/after"), format!("{kind}/{name}{suffix}"));
            goes_on(cluster, "cluster-controller", &point, &object);
        }
        for suffix in ISSUED {
            let secret = format!("{name}{suffix}");
            let point = format!("certificates/{secret}/after");
            goes_on(cluster, "certificates-controller", &point, &format!("secret/{secret}"));
        }
    });
}

/// Tells a controller to die at the point, deletes the object, and waits until both are there again.
fn goes_on(cluster: &Kube, controller: &str, point: &str, object: &str) {
    let operations = cluster.operations();
    let deployment = format!("deployment/{}-{controller}", cluster.name());
    let fault = format!("VAULTYARD_FAULT={point}");
    let _ = cluster.kubectl_in(&operations, &["set", "env", &deployment, &fault]);
    let words = ["rollout", "status", &deployment, "--timeout=120s"];
    let _ = cluster.kubectl_in(&operations, &words);
    // The one before may still lead when the rollout is over.
    wait(&format!("one leads that is to die at {point}"), Duration::from_secs(60), || {
        let pod = cluster.pod_in(&operations, &cluster.leading(controller)?)?;
        pod["spec"]["containers"].to_string().contains(point).then_some(())
    });
    let _ = cluster.wait_until_ready();
    let began = Instant::now();
    // What pods belong to goes without them, as when a person deletes it to have it made anew.
    let _ = cluster.kubectl(&["delete", object, "--cascade=orphan", "--wait=false"]);
    wait(&format!("{point} was reached"), Duration::from_secs(60), || {
        let pods = cluster.pods_of(&operations, controller);
        let restarts = pods.iter().map(|pod| cluster.restarts_in(&operations, pod, "controller"));
        restarts.into_iter().flatten().any(|count| count > 0).then_some(())
    });
    wait(&format!("{object} is there again"), Duration::from_secs(60), || {
        cluster.object(&[object]).map(drop)
    });
    let _ = cluster.wait_until_ready();
    println!("{point}: whole again after {:.1} s", began.elapsed().as_secs_f64());
}
