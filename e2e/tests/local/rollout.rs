//! Servers are changed while clients write: their version, and their configuration.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::Value;
use vaultyard_e2e::{Cluster, Faults, Home, SERVERS, Status, journal, wait};

pub(crate) fn document(home: &Home, version: &str, servers: &str) -> String {
    let text = format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
         spec: {{servers: {{version: {version}{servers}}}}}\n"
    );
    home.write("cluster.yaml", &text).display().to_string()
}

/// A cluster of this version, and the file that declares it.
fn cluster_of(version: &str) -> (Cluster, String) {
    let home = Home::new();
    for version in ["2.6.2", "2.7.1"] {
        home.has_fetched(version);
    }
    let file = document(&home, version, "");
    let cluster = Cluster::of(home, &["-f", &file]);
    journal::provide(&cluster.access());
    (cluster, file)
}

pub(crate) fn versions(status: &Status) -> Vec<String> {
    status.servers.iter().filter_map(|server| server.version.clone()).collect()
}

/// Changes the document and applies it, while clients write: none of them fails, and nothing is lost.
#[track_caller]
pub(crate) fn follows(cluster: &mut Cluster, version: &str, servers: &str) {
    let file = document(cluster.home(), version, servers);
    let before = cluster.home().processes().servers();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let applied = cluster.home().run(&["apply", "-f", &file, "--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", cluster.up().said());
    // The leader does not go without clients that wait for the next one.
    assert!(applied.stderr.contains("held, for"), "{applied:#?}");
    writing.wait_for(50);
    let journal = writing.stop();
    let status = cluster.wait_until_ready();
    assert_eq!(versions(&status), [version; 3].map(str::to_owned));
    assert_eq!(status.holds("RolledOut"), Some(true));
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
    let after = cluster.home().processes().servers();
    assert!(before.iter().all(|id| !after.contains(id)), "{before:?} {after:?}");
}

#[test]
fn a_new_minor_comes_without_a_failed_request_and_its_way_back_is_a_snapshot() {
    let (mut cluster, file) = cluster_of("2.6.2");
    let planned = document(cluster.home(), "2.7.2", "");
    let plan = cluster.home().run(&["plan", "-f", &planned, "--detailed-exitcode"]);
    assert_eq!(plan.code, Some(3), "{plan:#?}");
    assert!(plan.stdout.contains("2.6.2 → 2.7.2") && plan.stdout.contains("way back"), "{plan:#?}");
    let unasked = cluster.home().run(&["apply", "-f", &planned]);
    assert_eq!(unasked.code, Some(5), "{unasked:#?}");
    follows(&mut cluster, "2.7.2", "");

    let listed = cluster.home().run(&["snapshot", "list", "--output", "json"]).done();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed:#}");
    assert_eq!(listed[0]["version"], "2.6.2");
    let back = document(cluster.home(), "2.6.2", "");
    assert_eq!(back, file);
    let refused = cluster.home().run(&["apply", "-f", &back, "--yes"]);
    assert_eq!(refused.code, Some(5), "{refused:#?}");
    assert!(refused.stderr.contains("is a snapshot"), "{refused:#?}");
    let rollback = cluster.home().run(&["rollback", "-f", &back, "--yes"]);
    assert_eq!(rollback.code, Some(5), "{rollback:#?}");
    let snapshot = listed[0]["name"].as_str().unwrap();
    assert!(rollback.stderr.contains(snapshot), "{rollback:#?}");
}

#[test]
fn a_patch_release_and_a_configuration_come_and_go() {
    let (mut cluster, file) = cluster_of("2.7.1");
    let nothing = cluster.home().run(&["rollback", "-f", &file, "--yes"]);
    assert_eq!(nothing.code, Some(2), "{nothing:#?}");
    let upgraded = cluster.home().run(&["upgrade", "--to", "2.7.2", "-f", &file, "--yes"]);
    assert_eq!(upgraded.code, Some(0), "{upgraded:#?}");
    for server in SERVERS {
        assert!(upgraded.stderr.contains(&format!("\n{server}  ")), "{upgraded:#?}");
    }
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, std::fs::read_to_string(document(cluster.home(), "2.7.2", "")).unwrap());
    follows(&mut cluster, "2.7.2", ", configuration: {log_level: debug}");
    let back = cluster.home().run(&["rollback", "-f", &file, "--yes"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert_eq!(versions(&cluster.wait_until_ready()), ["2.7.1"; 3].map(str::to_owned));
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("2.7.1") && written.contains("log_level: debug"), "{written}");

    let kept = snapshots(cluster.home());
    let flags = ["--to", "2.7.2", "-f", &file, "--yes", "--without-snapshot"];
    let without = cluster.home().run(&[&["upgrade"], &flags[..]].concat());
    assert_eq!(without.code, Some(0), "{without:#?}");
    assert!(without.stdout.contains("snapshot    none is taken"), "{without:#?}");
    assert_eq!(versions(&cluster.wait_until_ready()), ["2.7.2"; 3].map(str::to_owned));
    assert_eq!(snapshots(cluster.home()), kept);
}

/// How many there are.
fn snapshots(home: &Home) -> usize {
    let listed = home.run(&["snapshot", "list", "--output", "json"]).done();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed.as_array().unwrap().len()
}

/// A program that says it is of another version, and does not run.
fn broken(home: &Home, version: &str) {
    let folder = home.state().join("binaries").join(version);
    std::fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = version ] && exec echo 'OpenBao v{version}'\necho 'it is broken' >&2\nexit 1\n"
    );
    let program = folder.join("bao");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
}

/// The way back from a newer minor is open as long as none of its servers has led.
#[test]
fn a_version_that_does_not_run_comes_to_one_server_alone_and_goes_again() {
    let (mut cluster, _) = cluster_of("2.6.2");
    broken(cluster.home(), "2.7.0");
    let leader = cluster.leader();
    let before = cluster.home().processes().servers();
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let file = document(cluster.home(), "2.7.0", "");
    let late = cluster.home().run(&["apply", "-f", &file, "--yes", "--timeout", "15s"]);
    assert_eq!(late.code, Some(4), "{late:#?}");
    let status = cluster.wait_for("stopped at the first", |_, status| {
        status.phase == "Upgrading" && status.reason.contains("it is broken")
    });
    assert!(status.reason.starts_with("2 servers are still to be replaced"), "{}", status.reason);
    assert_eq!(status.leader(), Some(leader.as_str()));
    let after = cluster.home().processes().servers();
    assert_eq!(before.iter().filter(|id| after.contains(id)).count(), 2, "{before:?} {after:?}");

    let back = cluster.home().run(&["rollback", "-f", &file, "--yes"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    writing.wait_for(20);
    let journal = writing.stop();
    assert_eq!(versions(&cluster.wait_until_ready()), ["2.6.2"; 3].map(str::to_owned));
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
    assert_eq!(cluster.leader(), leader);
}

/// The servers end with Vaultyard; each is started again as what it was, and the rest of the way is gone.
#[test]
fn a_rollout_goes_on_where_it_was_when_vaultyard_was_killed() {
    let (mut cluster, _) = cluster_of("2.7.1");
    let file = document(cluster.home(), "2.7.2", "");
    let late = cluster.home().run(&["apply", "-f", &file, "--yes", "--timeout", "1s"]);
    assert_eq!(late.code, Some(4), "{late:#?}");
    let _ = cluster
        .wait_for("changed in part", |_, status| versions(status).contains(&"2.7.2".to_owned()));
    let mut cluster = Cluster::of(cluster.crash(), &[]);
    let status = cluster.wait_until_ready();
    assert_eq!(versions(&status), ["2.7.2"; 3].map(str::to_owned));
    assert_eq!(cluster.home().run(&["snapshot", "list", "--quiet"]).done().lines().count(), 2);
}

/// The first `up` dies while somebody applies the document, each later one where the one before would have gone on;
/// the last one comes to what the document says.
#[track_caller]
fn dies_at_each(home: Home, file: &str, points: &[String]) -> Cluster {
    for (number, point) in points.iter().enumerate() {
        let faults = Faults { point: point.clone(), servers_live: false };
        println!("{faults:?}");
        let mut up = home.up_until(&faults);
        if number == 0 {
            wait("it is ready", Duration::from_secs(60), || {
                let status = home.run(&["status", "--output", "json"]);
                status.stdout.contains("\"phase\": \"Ready\"").then_some(())
            });
            // What comes of it nobody tells any more.
            let _ = home.run(&["apply", "-f", file, "--yes"]);
        }
        let ended = up.wait(Duration::from_secs(60));
        assert_eq!(ended.signal(), Some(9), "{faults:?} was not reached:\n{}", up.said());
        home.processes().wait_until_no_server_runs();
    }
    let mut cluster = Cluster::of(home, &[]);
    let status = cluster.wait_until_ready();
    assert!(status.servers.iter().all(|server| server.voter == Some(true)), "{status:#?}");
    cluster
}

/// The fault points of these steps of a rollout.
fn fault_points(home: &Home, steps: &[&str]) -> Vec<String> {
    let points = home.run(&["fault-points", "--of", "rollout"]).done();
    let of_them = |point: &&str| steps.iter().any(|step| point.contains(&format!("/{step}/")));
    points.lines().filter(of_them).map(str::to_owned).collect()
}

/// Of all the others, in the soak.
#[test]
fn the_fault_points_of_a_server_that_is_replaced_lead_to_what_is_declared() {
    let (cluster, _) = cluster_of("2.7.1");
    let home = cluster.stop();
    let points = fault_points(&home, &["take-snapshot", "renew"]);
    assert_eq!(points.len(), 4, "{points:?}");
    let file = document(&home, "2.7.2", "");
    let mut cluster = dies_at_each(home, &file, &points);
    assert_eq!(versions(&cluster.wait_until_ready()), ["2.7.2"; 3].map(str::to_owned));
}

pub(crate) fn every_fault_point_leads_to_what_is_declared() {
    let (cluster, _) = cluster_of("2.7.1");
    let mut home = cluster.stop();
    let points = home.run(&["fault-points", "--of", "rollout"]).done();
    let of = |steps: &[&str]| fault_points(&home, steps);
    // Who leads after a death is seldom the one that was to go last, so each of these is come to anew.
    let drain = of(&["drain"]);
    let (version, fewer, more) =
        (of(&["take-snapshot", "renew"]), of(&["remove-peer", "remove"]), of(&["add"]));
    let all = version.len() + drain.len() + fewer.len() + more.len();
    assert_eq!(all, points.lines().count(), "{points}");
    for (points, version) in
        [(&version[..], "2.7.2"), (&drain[..1], "2.7.1"), (&drain[1..], "2.7.2")]
    {
        let file = document(&home, version, "");
        let mut cluster = dies_at_each(home, &file, points);
        assert_eq!(versions(&cluster.wait_until_ready()), [version; 3].map(str::to_owned));
        home = cluster.stop();
    }
    for (points, replicas) in [(&fewer, 1), (&more, 3)] {
        let file = document(&home, "2.7.2", &format!(", replicas: {replicas}"));
        let mut cluster = dies_at_each(home, &file, points);
        assert_eq!(cluster.wait_until_ready().servers.len(), replicas);
        home = cluster.stop();
    }
}
