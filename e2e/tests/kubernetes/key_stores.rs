//! Keys that are opened by what is not beside them: files that a Secret brings, and the transit
//! engine of another cluster.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use vaultyard_e2e::kubernetes::{
    Aws, BRIDGE, Container, Kube, Machines, More, OtherCluster, SINGLE, image, own_image, with,
};
use vaultyard_e2e::{Google, Said, wait};
use vaultyard_emulators::google_kms::KEY;

/// The longest that the status may take to tell of a snapshot.
const LISTED: Duration = Duration::from_secs(60);

/// A cluster with this `spec.keys`, and its namespaces.
fn declared(keys: &str) -> Kube {
    let cluster = Kube::declared(&format!("{SINGLE}  keys:\n    {keys}\n"));
    cluster.make_namespaces();
    cluster
}

/// The same, with snapshots in this store.
fn declared_with_snapshots(keys: &str, store: &str) -> Kube {
    declared(&format!("{keys}\n  snapshots: {{store: {store}}}"))
}

/// A snapshot lies in the bucket and on no volume, and is proven, put in place and removed from there.
#[track_caller]
fn keeps_snapshots_elsewhere(cluster: &Kube, bucket: &str) {
    let run = |words: &[&str]| cluster.vaultyard(&[&["snapshot"], words].concat()).done();
    let name = run(&["take"]).trim().to_owned();
    let listed =
        || -> Vec<Value> { serde_json::from_str(&run(&["list", "--output", "json"])).unwrap() };
    let kept = wait("the snapshot is told of", LISTED, || listed().pop());
    assert_eq!((&kept["name"], kept["bucket"].as_str()), (&json!(name), Some(bucket)));
    let folder = cluster.files_of(&cluster.server(0), Container::Unsealer).join("vaultyard/data");
    let found = Said::of(Command::new("find").arg(folder).args(["-name", "*.snapshot"])).done();
    assert_eq!(found, "", "it lies on the volume too");
    let proven = run(&["verify", "--restore", &name]);
    assert!(proven.contains("the keys of the cluster open it"), "{proven}");
    let _ = run(&["restore", &name, "--yes", cluster.name()]);
    let _ = run(&["delete", &name, "--yes", cluster.name()]);
    wait("the snapshot is told of no more", LISTED, || listed().is_empty().then_some(()));
}

/// Makes the Secret with these files, each under its own name.
#[track_caller]
fn hand_in(cluster: &Kube, secret: &str, files: &[&Path]) {
    let from = files.iter().map(|file| format!("--from-file={}", file.display()));
    let from: Vec<_> = from.collect();
    let mut words = vec!["create", "secret", "generic", secret];
    words.extend(from.iter().map(String::as_str));
    let _ = cluster.kubectl(&words);
}

/// Once it is up: its keys are kept where they should be and nothing beside them opens them, and it
/// comes back by itself when all its pods are gone.
#[track_caller]
fn keeps(cluster: &Kube, encryption: &str) {
    let status = cluster.wait_until_ready();
    assert_eq!(status.holds("KeyBesideData"), None, "{status:#?}");
    let secret = |name: &str| cluster.object(&["secret", &format!("{}-{name}", cluster.name())]);
    let keys = secret("keys-0001").expect("the keys are kept");
    assert_eq!(keys["immutable"], true);
    assert!(secret("key-encryption").is_none());
    let object = cluster.kubectl(&[
        "get",
        "secret",
        &format!("{}-keys-0001", cluster.name()),
        "-o",
        "go-template={{range .data}}{{. | base64decode}}{{end}}",
    ]);
    assert!(object.contains(encryption), "{object}");
    comes_back(cluster);
}

/// It is unsealed again when all its pods are gone, and nothing of it is lost.
#[track_caller]
fn comes_back(cluster: &Kube) {
    cluster.survives(|cluster| {
        let status = cluster.wait_until_ready();
        let all: Vec<_> = status.servers.iter().map(|server| server.name.as_str()).collect();
        cluster.delete_pods(&all);
    });
}

/// Brings a cluster up with an image of this, whose keys are kept outside of Kubernetes.
#[track_caller]
fn up_with(cluster: &Kube, more: &More) {
    let image = own_image();
    let up = cluster.up(&["--image", &with(&image, more)]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    assert_eq!(cluster.wait_until_ready().holds("KeyBesideData"), None);
    let secrets = cluster.kubectl(&["get", "secrets", "-o", "name"]);
    assert!(!secrets.contains("-keys-") && !secrets.contains("-key-encryption"), "{secrets}");
}

#[test]
fn a_bucket_and_a_key_of_google() {
    let _machines = Machines::shared();
    let google = Google::start(BRIDGE.into());
    let cluster = declared_with_snapshots(&google.keys(), &google.snapshots());
    let cluster = cluster.with_environment(google.environment());
    up_with(&cluster, &More { environment: google.environment(), files: Vec::new() });
    let kept = google.object(cluster.name(), "keys-0001.json");
    assert!(kept.contains(&format!("\"{KEY}/cryptoKeyVersions/1\"")), "{kept}");
    let bucket = format!("bucket gs://vault-keys/{}/snapshots", cluster.name());
    keeps_snapshots_elsewhere(&cluster, &bucket);
    comes_back(&cluster);
}

#[test]
fn a_bucket_and_a_key_of_aws() {
    let _machines = Machines::shared();
    let aws = Aws::start();
    let cluster = declared_with_snapshots(&aws.keys(), &aws.snapshots());
    let cluster = cluster.with_environment(aws.environment());
    up_with(&cluster, &aws.more());
    let kept = aws.object(cluster.name(), "keys-0001.json");
    assert!(kept.contains(&format!("\"{}\"", aws.key())), "{kept}");
    let bucket = format!("bucket s3://vault-keys/{}/snapshots", cluster.name());
    keeps_snapshots_elsewhere(&cluster, &bucket);
    comes_back(&cluster);
}

#[test]
fn an_identity_of_age_that_comes_later_than_the_cluster() {
    let _machines = Machines::shared();
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity");
    let _ = Said::of(Command::new("age-keygen").arg("-o").arg(&identity)).done();
    let recipient = Said::of(Command::new("age-keygen").arg("-y").arg(&identity)).done();
    let cluster = declared(&format!(
        "{{encryption: {{age: {{recipients: [{}], identityFile: /run/vaultyard/identity}}}}, \
         store: {{kubernetesSecret: {{}}}}}}",
        recipient.trim()
    ));
    let secret = format!("{}-key-files", cluster.name());
    let note = format!("no server starts before the Secret {secret} in the namespace");
    let checked = cluster.check(&[]);
    assert!(checked.code == Some(0) && checked.stdout.contains(&note), "{checked:#?}");

    let waiting = cluster.up_within("25s", &[]);
    assert_eq!(waiting.code, Some(4), "{waiting:#?}");
    assert!(waiting.stderr.contains(&note), "{waiting:#?}");
    let waits = format!("waits for the Secret {secret}");
    assert!(waiting.stderr.contains(&waits), "{waiting:#?}");

    hand_in(&cluster, &secret, &[&identity]);
    let up = cluster.up(&[]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    assert!(!up.stderr.contains("beside data") && !up.stderr.contains(&note), "{up:#?}");
    keeps(&cluster, "\"age/");
}

/// In a hardware security module, which takes an image that brings the module.
#[test]
fn a_key_of_a_module_that_an_image_of_ones_own_brings() {
    let _machines = Machines::shared();
    let cluster = declared(
        "{encryption: {pkcs11: {module: /usr/lib/module.so, tokenLabel: vault, \
         keyLabel: unseal, pinFile: /run/vaultyard/pin}}}",
    );
    let folder = tempfile::tempdir().unwrap();
    let pin = folder.path().join("pin");
    std::fs::write(&pin, "5678\n").unwrap();
    hand_in(&cluster, &format!("{}-key-files", cluster.name()), &[&pin]);
    let up = cluster.up(&["--image", &image("module")]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    keeps(&cluster, "\"pkcs11/vault/unseal/01\"");
}

pub(crate) fn the_transit_engine_of_another_cluster_by_a_token() {
    let other = OtherCluster::start();
    let cluster = declared(&format!(
        "{{encryption: {{transit: {{address: '{}', key: unseal, caCert: /run/other/ca.pem, \
         auth: {{tokenFile: /run/other/token}}}}}}}}",
        other.address()
    ));
    let secret = format!("{}-key-files", cluster.name());
    hand_in(&cluster, &secret, &[&other.authority(), &other.token()]);
    let up = cluster.up(&[]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    keeps(&cluster, "\"transit/transit/unseal/v1\"");
}

#[test]
fn the_transit_engine_of_another_cluster_by_the_servers_own_account() {
    let _machines = Machines::shared();
    let other = OtherCluster::start();
    let cluster = declared(&format!(
        "{{encryption: {{transit: {{address: '{}', key: unseal, caCert: /run/other/ca.pem, \
         auth: {{kubernetes: {{role: unseal}}}}}}}}}}",
        other.address()
    ));
    other.admit(&cluster);
    hand_in(&cluster, &format!("{}-key-files", cluster.name()), &[&other.authority()]);
    let up = cluster.up(&[]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    keeps(&cluster, "\"transit/transit/unseal/v1\"");
}
