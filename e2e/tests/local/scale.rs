//! Servers come and go while clients write.

use std::path::Path;

use vaultyard_e2e::{Cluster, Home, Status, journal};

fn document(home: &Home, replicas: u8, more: &str) -> String {
    let text = format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
         spec: {{servers: {{replicas: {replicas}{more}}}}}\n"
    );
    home.write("cluster.yaml", &text).display().to_string()
}

fn names(status: &Status) -> Vec<&str> {
    status.servers.iter().map(|server| server.name.as_str()).collect()
}

fn is_there(cluster: &Cluster, server: &str) -> bool {
    Path::exists(&cluster.home().state().join("servers").join(server))
}

/// Applies a document while clients write: none of them fails, and nothing is lost.
#[track_caller]
fn follows(cluster: &mut Cluster, file: &str) -> Status {
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let applied = cluster.home().run(&["apply", "-f", file, "--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", cluster.up().said());
    writing.wait_for(20);
    let journal = writing.stop();
    let status = cluster.wait_until_ready();
    assert_eq!(status.holds("RolledOut"), Some(true));
    assert!(status.servers.iter().all(|server| server.voter == Some(true)), "{status:#?}");
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
    status
}

#[test]
fn three_servers_become_five_and_three_again_without_a_failed_request() {
    let home = Home::new();
    let file = document(&home, 3, "");
    let mut cluster = Cluster::of(home, &["-f", &file]);
    journal::provide(&cluster.access());
    let three = cluster.home().processes().servers();
    let file = document(cluster.home(), 5, "");
    let plan = cluster.home().run(&["plan", "-f", &file, "--detailed-exitcode"]);
    assert_eq!(plan.code, Some(3), "{plan:#?}");
    assert!(plan.stdout.contains("2 servers are added one after another"), "{plan:#?}");
    let status = follows(&mut cluster, &file);
    assert_eq!(names(&status), ["vault-0", "vault-1", "vault-2", "vault-3", "vault-4"]);
    // Those that were there are not even restarted.
    let five = cluster.home().processes().servers();
    assert!(three.iter().all(|server| five.contains(server)), "{three:?} {five:?}");

    // One of those that go is to lead.
    while !["vault-3", "vault-4"].contains(&cluster.leader().as_str()) {
        let leader = cluster.leader();
        cluster.recovers_from(&[leader.as_str()], |cluster| cluster.kill(&[leader.as_str()]));
    }
    let file = document(cluster.home(), 3, "");
    let status = follows(&mut cluster, &file);
    assert_eq!(names(&status), ["vault-0", "vault-1", "vault-2"]);
    assert!(!is_there(&cluster, "vault-3") && !is_there(&cluster, "vault-4"));
    assert_eq!(cluster.home().processes().servers().len(), 3);
    let _ = cluster.home().run(&["apply", "-f", &file, "--yes"]).done();
    // It knows how many there are when it begins anew.
    let mut cluster = cluster.restart();
    assert_eq!(names(&cluster.wait_until_ready()).len(), 3);
}

#[test]
fn a_single_server_becomes_three_and_one_again_with_another_configuration() {
    let home = Home::new();
    let file = document(&home, 1, "");
    let mut cluster = Cluster::of(home, &["-f", &file]);
    journal::provide(&cluster.access());
    let file = document(cluster.home(), 3, ", configuration: {log_level: debug}");
    let before = cluster.home().processes().servers();
    assert_eq!(follows(&mut cluster, &file).servers.len(), 3);
    let after = cluster.home().processes().servers();
    assert!(before.iter().all(|server| !after.contains(server)), "{before:?} {after:?}");
    let file = document(cluster.home(), 1, "");
    assert_eq!(follows(&mut cluster, &file).servers.len(), 1);
    let mut cluster = cluster.restart();
    assert_eq!(cluster.wait_until_ready().servers.len(), 1);
}

/// Servers come up as they stood, and what the document says by then follows.
#[test]
fn what_was_interrupted_goes_on() {
    let home = Home::new();
    let file = document(&home, 3, "");
    let mut cluster = Cluster::of(home, &["-f", &file]);
    let file = document(cluster.home(), 5, "");
    let late = cluster.home().run(&["apply", "-f", &file, "--yes", "--timeout", "1s"]);
    assert_eq!(late.code, Some(4), "{late:#?}");
    let status = cluster.wait_for("begun", |_, status| status.servers.len() == 4);
    assert_eq!(status.phase, "Upgrading", "{status:#?}");
    let home = cluster.crash();
    // A person has thought better of it meanwhile.
    let file = document(&home, 3, "");
    let mut cluster = Cluster::of(home, &["-f", &file]);
    let status = cluster.wait_until_ready();
    assert_eq!(names(&status), ["vault-0", "vault-1", "vault-2"]);
    assert!(!is_there(&cluster, "vault-3"));
    let home = cluster.stop();
    let file = document(&home, 5, "");
    let mut cluster = Cluster::of(home, &["-f", &file]);
    assert_eq!(names(&cluster.wait_until_ready()).len(), 5);
}

#[test]
fn a_taken_address_is_told_before_anything_happens() {
    let home = Home::new();
    let file = document(&home, 3, "");
    let mut cluster = Cluster::of(home, &["-f", &file]);
    let fifth = std::net::Ipv4Addr::from_bits(cluster.home().address().to_bits() + 5);
    let taken = std::net::TcpListener::bind((fifth, 8200)).unwrap();
    let file = document(cluster.home(), 5, "");
    let refused = cluster.home().run(&["apply", "-f", &file, "--yes"]);
    assert_ne!(refused.code, Some(0), "{refused:#?}");
    assert!(refused.stderr.contains("needed for the API of vault-4, is in use"), "{refused:#?}");
    drop(taken);
    assert_eq!(cluster.wait_until_ready().servers.len(), 3);
}

/// It answers as if all were well, and hears of no write any more.
#[test]
fn a_server_that_somebody_takes_out_of_raft_joins_anew() {
    let mut cluster = Cluster::new();
    let standby = cluster.standby();
    let writing = cluster.start_writing();
    writing.wait_for(5);
    let line = format!(
        "eval \"$(vaultyard env)\"; vaultyard login > /dev/null 2>&1 && bao operator raft remove-peer {standby}"
    );
    // Who got its vote a moment ago is taken in again by the server itself.
    let _ = cluster.wait_for("told", |home, _| {
        let _ = home.shell(&line).done();
        home.run(&["why", &standby]).stdout.contains("it is not in the raft configuration")
    });
    let status = cluster.wait_until_ready();
    assert!(status.servers.iter().all(|server| server.voter == Some(true)), "{status:#?}");
    assert_eq!(cluster.faults_of(&writing.stop()), []);
}
