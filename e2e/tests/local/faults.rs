//! Vaultyard dies at every named point of initialising, with the servers dying too and with the
//! servers living on. The next `up` goes on from there, and in the end there is a working cluster, and only one.

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
const REPLACING: [&str; 1] = ["keys/remove-peer/"];
/// The steps that only a lost answer leads to, which dying here makes.
const BEGINNING_ANEW: [&str; 2] = ["keys/wipe/", "keys/discard-intent/"];
const LOSES_THE_ANSWER: &str = "keys/request/after";
/// What a cluster of one server that a file declares does not come to.
const NOT_ALONE: [&str; 2] = ["keys/join/", "access/mount-secret/"];
const ALONE: &str = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\n\
                     metadata: {name: vault}\nspec: {servers: {replicas: 1}}\n";

/// What one cluster is taken through: each `up` dies where the one before would have gone on.
#[derive(Debug)]
struct Deaths {
    points: Vec<String>,
    servers_live: bool,
    /// Whether it is of one server.
    alone: bool,
}

#[test]
fn every_fault_point_leads_to_a_working_cluster() {
    let points = fault_points();
    all_recover(in_turn(&points).collect());
}

/// The same with a cluster for each, which dies once.
pub(crate) fn each_alone_leads_to_a_working_cluster() {
    let points = fault_points();
    all_recover(in_turn(&points).flat_map(Deaths::each_alone).collect());
}

/// Every one that a new cluster can come to, in the order in which it does.
fn fault_points() -> Vec<String> {
    let points = Home::new().run(&["fault-points"]).done();
    let points = points.lines().filter(|point| !is_of(point, &REPLACING)).map(str::to_owned);
    let (anew, mut points): (Vec<_>, Vec<_>) = points.partition(|it| is_of(it, &BEGINNING_ANEW));
    let lost = points.iter().position(|point| point == LOSES_THE_ANSWER);
    let after = lost.expect("an answer can be lost") + 1;
    points.splice(after..after, anew);
    points
}

fn is_of(point: &str, steps: &[&str]) -> bool {
    steps.iter().any(|step| point.starts_with(step))
}

/// All points, by what can come after each other. What followers have done is nothing to a step when the
/// servers die too, and nothing to what is done with the cluster that they are in: one server comes to it, and
/// the machine starts a third of the processes.
fn in_turn(points: &[String]) -> impl Iterator<Item = Deaths> {
    let those = |holds: &dyn Fn(&str) -> bool| {
        points.iter().filter(|point| holds(point)).cloned().collect::<Vec<_>>()
    };
    let keys = those(&|it| it.starts_with("keys/") && !is_of(it, &NOT_ALONE));
    let access = those(&|it| it.starts_with("access/") && !is_of(it, &NOT_ALONE));
    let not_alone = those(&|it| is_of(it, &NOT_ALONE));
    assert_eq!(keys.len() + access.len() + not_alone.len(), points.len(), "{points:#?}");
    [false, true].into_iter().flat_map(move |servers_live| {
        let deaths =
            |points: &Vec<String>, alone| Deaths { points: points.clone(), servers_live, alone };
        [deaths(&keys, !servers_live), deaths(&access, true), deaths(&not_alone, false)]
    })
}

impl Deaths {
    fn each_alone(self) -> impl Iterator<Item = Self> {
        let Self { points, servers_live, alone } = self;
        points.into_iter().map(move |point| {
            let lost = is_of(&point, &BEGINNING_ANEW).then(|| LOSES_THE_ANSWER.to_owned());
            Self { points: lost.into_iter().chain([point]).collect(), servers_live, alone }
        })
    }

    fn are_recovered_from(&self) {
        let home = Home::new();
        if self.alone {
            let _ = home.write("vaultyard.yaml", ALONE);
        }
        for point in &self.points {
            let faults = Faults { point: point.clone(), servers_live: self.servers_live };
            println!("{faults:?}");
            dies_at(&home, &faults);
        }
        is_whole(home);
    }
}

/// Takes so many at a time, and tells of all that are not recovered from.
fn all_recover(deaths: VecDeque<Deaths>) {
    assert!(!deaths.is_empty());
    let (open, failed) = (Mutex::new(deaths), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(deaths) = take(&open) {
                    if catch_unwind(AssertUnwindSafe(|| deaths.are_recovered_from())).is_err() {
                        failed.lock().expect("a list").push(deaths);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    assert!(failed.is_empty(), "no recovery from {failed:#?}");
}

fn take(open: &Mutex<VecDeque<Deaths>>) -> Option<Deaths> {
    open.lock().expect("a queue").pop_front()
}

/// With the servers dying, and with the servers living on.
fn both_ways(point: &str) -> [Faults; 2] {
    [false, true].map(|servers_live| Faults { point: point.to_owned(), servers_live })
}

/// `up` comes to this point and dies there.
pub(crate) fn dies_at(home: &Home, faults: &Faults) {
    let mut up = home.up_until(faults);
    let ended = up.wait(Duration::from_secs(60));
    assert_eq!(ended.signal(), Some(9), "{faults:?} was not reached:\n{}", up.said());
    if !faults.servers_live {
        home.processes().wait_until_no_server_runs();
    }
}

/// The next `up` ends with a cluster that works.
pub(crate) fn is_whole(home: Home) -> Cluster {
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
    for faults in points.lines().filter(|point| is_of(point, &REPLACING)).flat_map(both_ways) {
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
