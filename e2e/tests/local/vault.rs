//! HashiCorp Vault in place of OpenBao: what is promised of a cluster holds of one of its servers too.

use serde_json::Value;
use vaultyard_e2e::{Cluster, Faults, Home, journal};

use crate::faults::{dies_at, is_whole};
use crate::rekeys::dies_at_each_step;
use crate::rollout::{document, follows, versions};

const SOFTWARE: &str = ", software: vault";

/// A cluster of this version, and the file that declares it.
fn cluster_of(version: &str) -> (Cluster, String) {
    let home = Home::new();
    for version in ["1.21.0", "1.21.1"] {
        home.has_vault(version);
    }
    let file = document(&home, version, SOFTWARE);
    let cluster = Cluster::of(home, &["-f", &file]);
    journal::provide(&cluster.access());
    (cluster, file)
}

fn parsed(home: &Home, words: &[&str]) -> Value {
    serde_json::from_str(&home.run(&[words, &["--output", "json"]].concat()).done()).unwrap()
}

#[test]
fn it_is_kept_audited_opened_and_given_new_shares() {
    let (mut cluster, _) = cluster_of("1.21.0");
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let leader = cluster.leader();
    let status = cluster.recovers_from(&[&leader], |cluster| cluster.kill(&[&leader]));
    assert_eq!(versions(&status), ["1.21.0"; 3].map(str::to_owned));
    let journal = writing.stop();
    assert_eq!(cluster.faults_of(&journal), []);
    for leads in [leader, cluster.leader()] {
        assert!(audited(cluster.home(), &leads), "{leads}");
    }

    let said = cluster.home().run(&["keys", "rekey", "--yes", "vault"]).done();
    assert!(said.contains("new shares"), "{said}");
    let proven = parsed(cluster.home(), &["snapshot", "verify", "--restore"]);
    assert!(proven["restored"]["mounts"].as_u64().is_some_and(|mounts| mounts > 3), "{proven:#}");
    let token = cluster.home().run(&["keys", "generate-root", "--yes", "vault"]);
    assert_eq!(token.code, Some(0), "{token:#?}");
    let cluster = cluster.restart();
    let keys = parsed(cluster.home(), &["keys", "verify"]);
    assert_eq!(
        (&keys["rekey"], keys["lastUnsealed"].is_object()),
        (&Value::from(1), true),
        "{keys:#}"
    );
    assert_eq!(cluster.faults_of(&journal), []);
}

fn audited(home: &Home, server: &str) -> bool {
    let file = home.state().join(format!("servers/{server}/audit.log"));
    std::fs::metadata(file).is_ok_and(|file| file.len() > 0)
}

/// The step that only it leads to, and its own words to shares that are none of its.
#[test]
fn a_death_where_it_differs_costs_nothing() {
    let home = Home::new();
    home.has_vault("1.21.1");
    let text = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {name: vault}\n\
                spec: {servers: {version: 1.21.1, software: vault, replicas: 1}}\n";
    let _ = home.write("vaultyard.yaml", text);
    for point in ["access/enable-audit/before", "access/enable-audit/after"] {
        dies_at(&home, &Faults { point: point.to_owned(), servers_live: false });
    }
    let cluster = is_whole(home);
    assert!(audited(cluster.home(), "vault-0"));
    dies_at_each_step(cluster);
}

#[test]
fn a_patch_release_of_it_comes_and_goes_without_a_failed_request() {
    let (mut cluster, file) = cluster_of("1.21.0");
    follows(&mut cluster, "1.21.1", SOFTWARE);
    let kept = parsed(cluster.home(), &["snapshot", "list"]);
    assert_eq!(
        (&kept[0]["version"], kept[1].is_null()),
        (&Value::from("1.21.0"), true),
        "{kept:#}"
    );
    let back = cluster.home().run(&["rollback", "-f", &file, "--yes"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert_eq!(versions(&cluster.wait_until_ready()), ["1.21.0"; 3].map(str::to_owned));
}
