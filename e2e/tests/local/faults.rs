//! Vaultyard dies at every named point of initialising, with the servers dying too and with the
//! servers living on. The next `up` makes a working cluster of it, and only one.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use vaultyard_e2e::{Cluster, Faults, Home, journal};

/// So many clusters at a time: they mostly wait, for elections and for each other.
const AT_A_TIME: usize = 4;

/// The steps that only a server whose data is under other keys leads to.
const REPLACING: &str = "keys/remove-peer/";
/// The steps that only a lost answer leads to.
const BEGINNING_ANEW: [&str; 2] = ["keys/wipe/", "keys/discard-intent/"];
/// What a cluster of one server that a file declares does not come to.
const NOT_ALONE: [&str; 2] = ["keys/join/", "access/mount-secret/"];
const ALONE: &str = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\n\
                     metadata: {name: vault}\nspec: {servers: {replicas: 1}}\n";

#[test]
fn every_fault_point_leads_to_a_working_cluster() {
    let points = Home::new().run(&["fault-points"]).done();
    let points = points.lines().filter(|point| !point.starts_with(REPLACING));
    let cases = points.flat_map(both_ways);
    let open: Mutex<VecDeque<Faults>> = Mutex::new(cases.collect());
    assert!(open.lock().is_ok_and(|open| !open.is_empty()), "there are no fault points");
    let failed = Mutex::new(Vec::new());

    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(faults) = take(&open) {
                    println!("{faults:?}");
                    if catch_unwind(AssertUnwindSafe(|| recovers_from(&faults))).is_err() {
                        failed.lock().expect("a list").push(faults);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    assert!(failed.is_empty(), "no recovery from {failed:#?}");
}

/// With the servers dying, and with the servers living on.
fn both_ways(point: &str) -> [Faults; 2] {
    [false, true].map(|servers_live| Faults { point: point.to_owned(), servers_live })
}

fn take(open: &Mutex<VecDeque<Faults>>) -> Option<Faults> {
    open.lock().expect("a queue").pop_front()
}

/// What followers have done is nothing to a step when the servers die too, and nothing to what is done with
/// the cluster that they are in: one server comes to it, and the machine starts a third of the processes.
fn recovers_from(faults: &Faults) {
    let home = Home::new();
    let is_alone = !faults.servers_live || faults.point.starts_with("access/");
    if is_alone && !NOT_ALONE.iter().any(|step| faults.point.starts_with(step)) {
        let _ = home.write("vaultyard.yaml", ALONE);
    }
    if BEGINNING_ANEW.iter().any(|step| faults.point.starts_with(step)) {
        let lost_answer = Faults { point: "keys/request/after".to_owned(), ..faults.clone() };
        dies_at(&home, &lost_answer);
    }
    dies_at(&home, faults);
    is_whole(home);
}

/// `up` comes to this point and dies there.
fn dies_at(home: &Home, faults: &Faults) {
    let mut up = home.up_until(faults);
    let ended = up.wait(Duration::from_secs(60));
    assert_eq!(ended.signal(), Some(9), "{faults:?} was not reached:\n{}", up.said());
    if !faults.servers_live {
        home.processes().wait_until_no_server_runs();
    }
}

/// The next `up` ends with a cluster that works.
fn is_whole(home: Home) -> Cluster {
    let cluster = Cluster::of(home, &[]);
    cluster.keys_verify();
    journal::provide(&cluster.access());
    let writing = cluster.start_writing();
    writing.wait_for(5);
    assert_eq!(cluster.faults_of(&writing.stop()), []);
    cluster
}

/// A follower gets the data of a cluster that was here before, under other keys. A quorum without
/// it is active, so it is taken out of raft, wiped, and joins anew.
#[test]
fn a_follower_with_data_under_other_keys_is_replaced_whenever_vaultyard_dies() {
    let home = Cluster::new().stop();
    let save = "mv state/servers/vault-2/data foreign; vaultyard destroy --yes vault";
    let _ = home.shell(save).done();
    let mut cluster = Cluster::of(home, &[]);
    let points = cluster.home().run(&["fault-points"]).done();
    for faults in points.lines().filter(|point| point.starts_with(REPLACING)).flat_map(both_ways) {
        println!("{faults:?}");
        let writing = cluster.start_writing();
        writing.wait_for(5);
        let journal = writing.stop();
        let home = cluster.stop();
        let swap = "rm -r state/servers/vault-2/data; cp -a foreign state/servers/vault-2/data";
        let _ = home.shell(swap).done();
        dies_at(&home, &faults);
        cluster = is_whole(home);
        assert_eq!(cluster.faults_of(&journal), []);
    }
}
