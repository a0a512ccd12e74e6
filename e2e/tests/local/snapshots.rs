//! Snapshots of the data: taken, listed and checked.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;
use vaultyard_e2e::{Cluster, Google, Home, wait};

#[test]
fn a_snapshot_is_kept_encrypted_and_one_that_was_changed_is_told() {
    let cluster = Cluster::new();
    let home = cluster.home();
    let none = home.run(&["snapshot", "verify"]);
    assert_eq!(none.code, Some(2), "{none:#?}");
    assert!(none.stderr.contains("vaultyard snapshot take"), "{none:#?}");

    let name = home.run(&["snapshot", "take"]).done().trim().to_owned();
    let listed = home.run(&["snapshot", "list", "--output", "json"]).done();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["name"], listed[0]["fault"].is_null()),
        (&Value::from(name.clone()), true)
    );
    let verified = home.run(&["snapshot", "verify", "--output", "json"]).done();
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["name"], name);
    assert!(verified["index"].as_u64().is_some_and(|index| index > 0), "{verified:#}");

    assert!(listed[0]["proven"].is_null(), "{listed:#}");
    let proven = home.run(&["snapshot", "verify", "--restore", "--output", "json"]).done();
    let proven: Value = serde_json::from_str(&proven).unwrap();
    assert!(proven["restored"]["mounts"].as_u64().is_some_and(|mounts| mounts > 3), "{proven:#}");
    let listed = home.run(&["snapshot", "list", "--output", "json"]).done();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert!(listed[0]["proven"].is_string(), "{listed:#}");
    let status = home.run(&["status"]).done();
    assert!(status.contains("the newest that is proven"), "{status}");

    let file = home.state().join(format!("snapshots/{name}.snapshot"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let good = std::fs::read(&file).unwrap();
    for (what, at) in [("the header", 40), ("the archive", good.len() / 2)] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        let said = home.run(&["snapshot", "verify", &name]);
        assert_eq!(said.code, Some(1), "{what}: {said:#?}");
    }
    std::fs::write(&file, &good).unwrap();

    // Nothing of it needs a server that runs, but taking one does.
    let home = cluster.stop();
    let taken = home.run(&["snapshot", "take"]);
    assert_eq!(taken.code, Some(1), "{taken:#?}");
    let unproven = home.run(&["snapshot", "verify", "--restore", &name]);
    assert_eq!(unproven.code, Some(1), "{unproven:#?}");
    let _ = home.run(&["snapshot", "verify", &name]).done();
    let missing = home.run(&["snapshot", "verify", "20200101T000000Z"]);
    assert_eq!(missing.code, Some(1), "{missing:#?}");
    let wrong = home.run(&["snapshot", "verify", "latest"]);
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
    let left = std::fs::read_dir(home.state().join("snapshots")).unwrap().count();
    assert_eq!(
        left, 2,
        "something is left of the one that was not taken, beside the other and its proof"
    );
}

fn names(home: &Home) -> Vec<String> {
    let listed = home.run(&["snapshot", "list", "--output", "json"]).done();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    listed.iter().filter_map(|kept| kept["name"].as_str().map(str::to_owned)).collect()
}

/// The first that is taken by itself, and one behind it.
fn one_by_itself_and_one_asked_for(home: &Home) -> (String, String) {
    let first = wait("one is taken", Duration::from_secs(60), || names(home).first().cloned());
    // Names are seconds.
    let asked = wait("another second has begun", Duration::from_secs(5), || {
        let taken = home.run(&["snapshot", "take"]);
        (taken.code == Some(0)).then(|| taken.stdout.trim().to_owned())
    });
    (first, asked)
}

/// What somebody has asked for stays until somebody removes it.
#[test]
fn snapshots_are_taken_by_themselves_and_of_those_the_oldest_go() {
    let home = Home::new();
    let document = "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {name: vault}\n\
                    spec: {servers: {replicas: 1}, snapshots: {interval: 10s, retain: 1}}\n";
    let _ = home.write("vaultyard.yaml", document);
    let mut cluster = Cluster::of(home, &[]);
    let home = cluster.home();
    let (first, asked) = one_by_itself_and_one_asked_for(home);
    let left = wait("the first is removed", Duration::from_secs(60), || {
        let names = names(home);
        (!names.contains(&first)).then_some(names)
    });
    assert!(left.contains(&asked) && left.len() == 2, "{left:?}");
    let status = cluster.wait_until_ready();
    let told = status.controllers.iter().find(|controller| controller.name == "snapshots").unwrap();
    assert!(told.ready, "{told:#?}");

    let home = cluster.home();
    let unasked = home.run(&["snapshot", "delete", &asked]);
    assert_eq!(unasked.code, Some(5), "{unasked:#?}");
    let unknown = home.run(&["snapshot", "delete", "20200101T000000Z", "--yes", "vault"]);
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
    let _ = home.run(&["snapshot", "delete", &asked, "--yes", "vault"]).done();
    assert!(!names(home).contains(&asked));
}

/// What the state directory has of snapshots.
fn files(home: &Home) -> usize {
    std::fs::read_dir(home.state().join("snapshots")).map_or(0, Iterator::count)
}

#[test]
fn snapshots_in_a_bucket_are_proven_put_in_place_and_removed_from_there() {
    let google = Google::start(Ipv4Addr::LOCALHOST.into());
    let home = Home::new().with_environment(google.environment());
    let document = format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
         spec: {{servers: {{replicas: 1}}, snapshots: {{interval: 10s, retain: 1, store: {}}}}}\n",
        google.snapshots()
    );
    let _ = home.write("vaultyard.yaml", &document);
    let checked = home.run(&["check"]).done();
    let works = "kept in gs://vault-keys/vault/snapshots: it does its part";
    assert!(checked.contains(works), "{checked}");
    let mut cluster = Cluster::of(home, &[]);
    let home = cluster.home();
    let (first, asked) = one_by_itself_and_one_asked_for(home);
    let listed = home.run(&["snapshot", "list"]).done();
    assert!(listed.contains("bucket gs://vault-keys/vault/snapshots"), "{listed}");
    let _ = home.run(&["snapshot", "verify", "--restore", &asked]).done();
    assert!(home.run(&["status"]).done().contains("the newest that is proven"));
    let _ = home.run(&["snapshot", "restore", &asked, "--yes", "vault"]).done();
    assert!(cluster.wait_until_ready().is_ready());

    let home = cluster.home();
    wait("the first is removed", Duration::from_secs(60), || {
        let names = names(home);
        (names.contains(&asked) && !names.contains(&first)).then_some(())
    });
    let _ = home.run(&["snapshot", "delete", &asked, "--yes", "vault"]).done();
    assert!(!names(home).contains(&asked));

    drop(google);
    let taken = home.run(&["snapshot", "take"]);
    assert_eq!(taken.code, Some(1), "{taken:#?}");
    let place = "the snapshot cannot be kept in bucket gs://vault-keys/vault/snapshots";
    assert!(taken.stderr.contains(place), "{taken:#?}");
    wait("nothing is left of those that were taken in vain", Duration::from_secs(20), || {
        (files(home) == 0).then_some(())
    });
    let listed = home.run(&["snapshot", "list"]);
    assert_eq!(listed.code, Some(1), "a bucket that is away is no empty one: {listed:#?}");
    let _ = home.run(&["status"]).done();
}

/// Logs in, and does this in the cluster's shell.
fn with_token(cluster: &Cluster, line: &str) -> vaultyard_e2e::Said {
    let login = "eval \"$(vaultyard env)\"; vaultyard login 2>/dev/null;";
    cluster.home().shell(&format!("{login} {line}"))
}

#[test]
fn a_restored_cluster_has_the_data_of_its_snapshot_and_goes_on() {
    let mut cluster = Cluster::new();
    let _ = with_token(&cluster, "bao kv put secret/before it=is").done();
    let name = cluster.home().run(&["snapshot", "take"]).done().trim().to_owned();
    let _ = with_token(&cluster, "bao kv put secret/after it=is").done();
    let servers = cluster.home().processes().servers();

    let unasked = cluster.home().run(&["snapshot", "restore", &name]);
    assert_eq!(unasked.code, Some(5), "{unasked:#?}");
    let other = cluster.home().run(&["snapshot", "restore", &name, "--yes", "other"]);
    assert_eq!(other.code, Some(2), "{other:#?}");
    let _ = with_token(&cluster, "bao kv get secret/after").done();

    let restored = cluster.home().run(&["snapshot", "restore", &name, "--yes", "vault"]);
    assert_eq!(restored.code, Some(0), "{restored:#?}");
    assert!(cluster.wait_until_ready().is_ready());
    let _ = with_token(&cluster, "bao kv get secret/before").done();
    let gone = with_token(&cluster, "bao kv get secret/after");
    assert_eq!(gone.code, Some(2), "{gone:#?}");
    let _ = with_token(&cluster, "bao kv put secret/later it=is").done();
    assert_eq!(cluster.home().processes().servers(), servers, "a server was ended");
    cluster.keys_verify();

    // It is the data of all servers, whoever leads then.
    let cluster = Cluster::of(cluster.stop(), &[]);
    let _ = with_token(&cluster, "bao kv get secret/before").done();
    let _ = with_token(&cluster, "bao kv get secret/later").done();
}
