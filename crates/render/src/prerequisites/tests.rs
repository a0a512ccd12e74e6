//! What is printed, for each kind of need.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use vaultyard_model::Cluster;
use vaultyard_model::cluster::{
    Bucket, Encryption, Front, FrontTls, GoogleKey, GoogleLoadBalancer, GoogleName, ObjectName,
    Prefix, Store, Way,
};

use super::*;
use crate::sample;

mod references;

fn front(way: Way, tls: FrontTls) -> Cluster {
    let name = |text: &str| GoogleName::new(text);
    let mut cluster = sample::cluster(3);
    let google = Some(GoogleLoadBalancer {
        static_address: name("vault-address"),
        ssl_policy: name("modern"),
        security_policy: name("office-only"),
        connection_draining: None,
    });
    cluster.ingress.front = Some(Front { way, tls, annotations: BTreeMap::new(), google });
    cluster
}

fn keys_at_google(mut cluster: Cluster) -> Cluster {
    let key = "projects/keys-project/locations/europe-west4/keyRings/vault/cryptoKeys/unseal";
    cluster.keys.encryption = Encryption::GoogleKms { key: GoogleKey::new(key).unwrap() };
    cluster.keys.store = Store::GoogleStorage {
        bucket: Bucket::new("example-vault-keys").unwrap(),
        prefix: Prefix::new("clusters/vault").unwrap(),
    };
    cluster
}

/// The snapshots lie in this bucket of Google.
fn snapshots_at_google(mut cluster: Cluster, bucket: &str) -> Cluster {
    cluster.snapshots.store = Store::GoogleStorage {
        bucket: Bucket::new(bucket).unwrap(),
        prefix: Prefix::of_snapshots(&cluster.name),
    };
    cluster
}

fn acting_as(account: &str) -> Cluster {
    let mut cluster = keys_at_google(sample::cluster(3));
    let annotation = ("iam.gke.io/gcp-service-account".to_owned(), account.to_owned());
    cluster.servers.account_annotations = [annotation].into();
    cluster
}

/// The seal's key lies in the ring of the key that opens the recovery keys, or elsewhere.
fn sealed(keys_in_its_ring: bool) -> Cluster {
    let mut cluster = vaultyard_testkit::matrix::sealed_by_google();
    if keys_in_its_ring {
        let key = GoogleKey::new("projects/p/locations/europe-west4/keyRings/r/cryptoKeys/keys");
        cluster.keys.encryption = Encryption::GoogleKms { key: key.unwrap() };
    }
    cluster
}

fn matrix() -> [(&'static str, Cluster); 10] {
    let class = |text: &str| ObjectName::new(text).unwrap();
    let gateway = |text: &str| Way::Gateway { class: class(text) };
    let shared = FrontTls::PreShared(vec![GoogleName::new("vault-2026").unwrap()]);
    let own = FrontTls::OwnCertificate;
    [
        ("global", keys_at_google(front(Way::Ingress { class: class("gce") }, shared))),
        ("internal", front(gateway("gke-l7-rilb"), own.clone())),
        ("regional", front(gateway("gke-l7-regional-external-managed"), own)),
        ("keys", keys_at_google(sample::cluster(3))),
        ("keys-as", acting_as("vault@p-1.iam.gserviceaccount.com")),
        ("snapshots", snapshots_at_google(sample::cluster(3), "example-vault-snapshots")),
        (
            "snapshots-beside-keys",
            snapshots_at_google(keys_at_google(sample::cluster(3)), "example-vault-keys"),
        ),
        ("seal", sealed(false)),
        ("seal-and-keys", sealed(true)),
        ("nothing", sample::cluster(3)),
    ]
}

#[test]
fn what_must_exist_is_printed_as_it_was() {
    for (name, cluster) in matrix() {
        sample::golden(&format!("prerequisites/{name}.sh"), &gcloud(&cluster));
        sample::golden(&format!("prerequisites/{name}.tf"), &terraform(&cluster));
    }
}

#[test]
fn what_is_no_account_is_not_written_into_a_script() {
    for account in ["a@b\"; rm -rf /", "$(id)@b", "-x@b", "a b@c", "nobody"] {
        for text in [gcloud(&acting_as(account)), terraform(&acting_as(account))] {
            assert!(!text.contains(account) && text.contains("principal://"), "{text}");
        }
    }
}

/// Who can delete a key, or overwrite it, can lose it.
#[test]
fn only_probes_and_snapshots_may_be_deleted() {
    let keys = keys_at_google(sample::cluster(3));
    let both = snapshots_at_google(keys.clone(), "example-vault-keys");
    let apart = snapshots_at_google(keys.clone(), "example-vault-snapshots");
    for (cluster, folders) in [(keys, 1), (both, 2), (apart, 2)] {
        for text in [gcloud(&cluster), terraform(&cluster)] {
            let probes = text.matches("example-vault-keys/objects/clusters/vault/probe-").count();
            assert_eq!(probes, 1, "{text}");
            assert_eq!(text.matches("storage.objectUser").count(), folders, "{text}");
            assert!(!text.contains("objectAdmin"), "{text}");
        }
    }
}

#[test]
fn the_right_to_delete_snapshots_is_one_to_delete_no_key() {
    let cluster = snapshots_at_google(keys_at_google(sample::cluster(3)), "example-vault-keys");
    for text in [gcloud(&cluster), terraform(&cluster)] {
        let conditions = text.matches("example-vault-keys/objects/vault/snapshots/").count();
        assert_eq!(conditions, 1, "{text}");
    }
}

/// A `gcloud` that knows what was created through it, and writes down what it is told, a call a line.
const GCLOUD: &str = r#"
gcloud() {
  printf '%s ' "$@" | tr '\n' ' ' >> "$CALLS"; echo >> "$CALLS"
  case "$*" in
    "projects describe "*) echo 123456 ;;
    *" describe "*) grep -q "^$(echo "$*" | sed 's/ describe / create /; s/ --.*//') " "$CALLS" ;;
  esac
}
"#;

/// What the script told `gcloud`, run in this folder by a shell that ends at the first failure.
fn calls(folder: &Path, script: &str) -> Vec<String> {
    let file = folder.join("calls");
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let before = read().lines().count();
    let environment = [("PROJECT", "shop"), ("REGION", "europe-west4"), ("SUBNET", "nodes")];
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{GCLOUD}{script}")).env("CALLS", &file).envs(environment);
    let ran = shell.output().unwrap();
    assert!(ran.status.success(), "{}\n{script}", String::from_utf8_lossy(&ran.stderr));
    read().lines().skip(before).map(str::to_owned).collect()
}

/// What is there already is not made again: the script may be run as often as one likes.
#[test]
fn a_shell_runs_what_is_printed_to_its_end_and_a_second_time() {
    for (name, cluster) in matrix() {
        let (folder, script) = (tempfile::tempdir().unwrap(), gcloud(&cluster));
        let created = |calls: &[String]| {
            calls.iter().filter(|call| call.contains(" create ")).cloned().collect::<Vec<_>>()
        };
        let first = calls(folder.path(), &script);
        let second = calls(folder.path(), &script);
        assert_eq!(first.is_empty(), name == "nothing", "{name}: {first:#?}");
        assert_eq!(created(&second), Vec::<String>::new(), "{name}");
        for call in first.iter().chain(&second) {
            assert!(!call.contains('$') && !call.contains("  "), "{name}: {call:?}");
        }
    }
}
