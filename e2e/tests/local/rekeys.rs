//! New shares in place of the old ones, and snapshots of before.

use serde_json::Value;
use vaultyard_e2e::{Cluster, Home};

const ALONE: &str = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\n\
                     metadata: {name: vault}\nspec: {servers: {replicas: 1}}\n";

fn verified(home: &Home) -> Value {
    serde_json::from_str(&home.run(&["keys", "verify", "--output", "json"]).stdout).unwrap()
}

fn number_of_rekeys(home: &Home) -> usize {
    let names = std::fs::read_dir(home.state().join("keys")).unwrap();
    names
        .filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().starts_with("rekey-"))
        .count()
}

#[test]
fn new_shares_open_every_server_and_no_request_fails() {
    let mut cluster = Cluster::new();
    let refused = [
        (&["keys", "rekey"][..], 5),
        (&["keys", "rekey", "--yes", "other"], 2),
        (&["keys", "rekey", "--yes", "vault", "--key-threshold", "1"], 2),
        (&["keys", "rekey", "--yes", "vault", "--key-shares", "2"], 2),
    ];
    for (words, code) in refused {
        let said = cluster.home().run(words);
        assert_eq!(said.code, Some(code), "{said:#?}");
    }
    assert_eq!(number_of_rekeys(cluster.home()), 0, "nothing was changed");

    let writing = cluster.start_writing();
    writing.wait_for(20);
    let words = ["keys", "rekey", "--yes", "vault", "--key-shares", "7", "--key-threshold", "4"];
    let said = cluster.home().run(&words).done();
    assert!(said.contains("7 new shares") && said.contains("4 unseal a server"), "{said}");
    writing.wait_for(20);
    let journal = writing.stop();
    journal.expect_no_failure();
    let keys = verified(cluster.home());
    assert_eq!(keys["shares"].as_u64().zip(keys["threshold"].as_u64()), Some((7, 4)));
    assert_eq!(
        (&keys["rekey"], &keys["faults"]),
        (&Value::from(1), &Value::from(Vec::<Value>::new()))
    );
    assert!(keys["lastUnsealed"].is_null(), "no server needed them yet: {keys:#}");

    // Servers that ended in any way are opened with them, the one that led too.
    let leader = cluster.leader();
    let _ = cluster.recovers_from(&[&leader], |cluster| cluster.kill(&[&leader]));
    let cluster = cluster.restart();
    let keys = verified(cluster.home());
    assert!(keys["lastUnsealed"].is_object(), "{keys:#}");
    assert_eq!(cluster.faults_of(&journal), []);
}

#[test]
fn a_snapshot_of_before_brings_the_shares_of_its_time_back() {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(5);
    let journal = writing.stop();
    let name = cluster.home().run(&["snapshot", "take"]).done().trim().to_owned();
    let rekey = ["keys", "rekey", "--yes", "vault"];
    let _ = cluster.home().run(&rekey).done();
    let _ = cluster.home().run(&["snapshot", "verify", "--restore", &name]).done();

    let restored = cluster.home().run(&["snapshot", "restore", &name, "--yes", "vault"]);
    assert_eq!(restored.code, Some(0), "{restored:#?}");
    // They count again, as the newest.
    cluster.keys_verify();
    assert_eq!(verified(cluster.home())["rekey"], 2);
    let cluster = cluster.restart();
    cluster.keys_verify();
    assert_eq!(cluster.faults_of(&journal), []);
    let _ = cluster.home().run(&rekey).done();
    let cluster = cluster.restart();
    cluster.keys_verify();
    assert_eq!(cluster.faults_of(&journal), []);
    let refused = cluster.home().run(&["keys", "verify", "--restore"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("is of the time of other shares"), "{refused:#?}");
    // What is taken now is of the shares of now.
    let _ = cluster.home().run(&["snapshot", "take"]).done();
    let proven = cluster.home().run(&["keys", "verify", "--restore"]).done();
    assert!(proven.contains("of them open a server with the snapshot"), "{proven}");
}

/// Whichever shares count then, the server is opened, and the next rekey makes new ones.
#[test]
fn a_rekey_that_died_anywhere_costs_nothing() {
    let home = Home::new();
    let _ = home.write("vaultyard.yaml", ALONE);
    dies_at_each_step(Cluster::of(home, &[]));
}

/// A rekey of this cluster of one server dies at each of its steps, and the next one settles it.
pub(crate) fn dies_at_each_step(mut cluster: Cluster) {
    let points = cluster.home().run(&["fault-points", "--of", "rekey"]).done();
    assert!(points.lines().count() > 10, "{points}");
    for point in points.lines() {
        println!("{point}");
        let dies = format!("VAULTYARD_FAULT={point} vaultyard keys rekey --yes vault || exit $?");
        let said = cluster.home().shell(&dies);
        assert_eq!(said.code, Some(137), "{point} was not reached: {said:#?}");
        // The newest keys that are kept are none of the server's; they are, and nobody knows it.
        if ["rekey/store-keys/after", "rekey/give-back/after"].contains(&point) {
            let _ = cluster.recovers_from(&["vault-0"], |cluster| cluster.kill(&["vault-0"]));
        }
        let verify = cluster.home().run(&["keys", "verify"]);
        let unsettled =
            ["rekey/store-keys/after", "rekey/prove", "rekey/give-back", "rekey/record/before"];
        let sure = !unsettled.iter().any(|step| point.starts_with(step));
        assert_eq!(verify.code, Some(i32::from(!sure)), "{point}: {verify:#?}");
        let _ = cluster.home().run(&["keys", "rekey", "--yes", "vault"]).done();
        cluster.keys_verify();
    }
    let _ = cluster.restart();
}

/// The newest keys that are kept open nothing then, and a server that joins does not say so.
#[test]
fn a_server_that_lost_its_data_joins_while_a_rekey_is_unsettled() {
    let mut cluster = Cluster::new();
    let dies = "VAULTYARD_FAULT=rekey/store-keys/after vaultyard keys rekey --yes vault || exit $?";
    let said = cluster.home().shell(dies);
    assert_eq!(said.code, Some(137), "{said:#?}");
    let standby = cluster.standby();
    let _ = cluster.recovers_from(&[&standby], |cluster| {
        let data = cluster.data_of(&standby);
        std::fs::remove_dir_all(&data).expect("the data is there and can be removed");
        cluster.kill(&[&standby]);
    });
    let unsettled = cluster.home().run(&["keys", "export", "--shares", "1", "--recipient", "age1"]);
    assert_eq!(unsettled.code, Some(1), "{unsettled:#?}");
    assert!(unsettled.stderr.contains("vaultyard keys rekey"), "{unsettled:#?}");
    let _ = cluster.home().run(&["keys", "rekey", "--yes", "vault"]).done();
    cluster.keys_verify();
}
