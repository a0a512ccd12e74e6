//! Servers die in every way while clients write. Whatever happens, the cluster comes back by itself,
//! no acknowledged write is lost and none is applied twice.

use rustix::process::Signal;
use vaultyard_e2e::{Cluster, SERVERS};

/// Does `harm` to the servers it chooses, under load, and holds the journal against the store after
/// a full restart.
#[track_caller]
fn survives(
    choose: impl FnOnce(&mut Cluster) -> Vec<String>,
    harm: impl FnOnce(&Cluster, &[&str]),
) {
    let mut cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);

    let chosen = choose(&mut cluster);
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    cluster.recovers_from(&chosen, |cluster| harm(cluster, &chosen));
    writing.wait_for(50);

    let journal = writing.stop();
    let cluster = cluster.restart();
    assert_eq!(cluster.faults_of(&journal), [], "{:#?}", journal.failed().collect::<Vec<_>>());
    cluster.keys_verify();
}

fn leader(cluster: &mut Cluster) -> Vec<String> {
    vec![cluster.leader()]
}

fn standby(cluster: &mut Cluster) -> Vec<String> {
    vec![cluster.standby()]
}

fn all(_: &mut Cluster) -> Vec<String> {
    SERVERS.map(str::to_owned).to_vec()
}

#[test]
fn a_killed_standby() {
    survives(standby, Cluster::kill);
}

#[test]
fn a_killed_leader() {
    survives(leader, Cluster::kill);
}

#[test]
fn a_leader_that_is_told_to_end() {
    survives(leader, |cluster, leader| cluster.signal(leader[0], Signal::TERM));
}

#[test]
fn two_killed_at_once() {
    survives(|cluster| vec![cluster.leader(), cluster.standby()], Cluster::kill);
}

#[test]
fn all_killed_at_once() {
    survives(all, Cluster::kill);
}

#[test]
fn a_leader_that_stands_still() {
    survives(leader, |cluster, leader| cluster.signal(leader[0], Signal::STOP));
}

#[test]
fn a_standby_that_loses_its_data() {
    survives(standby, |cluster, standby| {
        let data = cluster.data_of(standby[0]);
        std::fs::remove_dir_all(&data).expect("the data is there and can be removed");
        cluster.kill(standby);
    });
}

#[test]
fn a_leader_that_loses_its_whole_folder() {
    survives(leader, |cluster, leader| {
        let folder = cluster.home().processes().folder_of(leader[0]);
        std::fs::remove_dir_all(folder).expect("the folder is there and can be removed");
        cluster.kill(leader);
    });
}
