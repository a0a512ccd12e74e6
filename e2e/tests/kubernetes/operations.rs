//! What a person has the unsealers do once: snapshots, and new shares.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use vaultyard_e2e::kubernetes::{Container, Kube, Machines};
use vaultyard_e2e::{Said, journal, wait};

const BAD_INPUT: Option<i32> = Some(2);
/// The longest that a throw-away server may take to come, and to go.
const PROOF: Duration = Duration::from_secs(60);

fn as_json(said: Said) -> Value {
    serde_json::from_str(&said.done()).unwrap()
}

/// Like a person who asks while clients write: nobody notices.
#[track_caller]
fn while_clients_write(cluster: &Kube, words: &[&str]) -> String {
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let said = cluster.vaultyard(words);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    writing.wait_for(20);
    let journal = writing.stop();
    journal.expect_no_failure();
    assert_eq!(cluster.faults_of(&journal), []);
    said.stdout
}

#[test]
fn snapshots_are_taken_and_put_back_and_new_shares_open_every_server() {
    let _machines = Machines::shared();
    // A rekey is refused while another server is on its way to lead.
    let cluster = Kube::patient();
    let none = cluster.vaultyard(&["snapshot", "verify"]);
    assert_eq!(none.code, BAD_INPUT, "{none:#?}");

    let name = while_clients_write(&cluster, &["snapshot", "take"]).trim().to_owned();
    let all = as_json(cluster.vaultyard(&["snapshot", "list", "--output", "json"]));
    assert_eq!((all.as_array().unwrap().len(), &all[0]["name"]), (1, &Value::from(name.clone())));
    assert!(all[0]["fault"].is_null(), "{all:#}");
    let verified = as_json(cluster.vaultyard(&["snapshot", "verify", "--output", "json"]));
    assert_eq!(verified["name"], name);
    assert!(verified["index"].as_u64().is_some_and(|index| index > 0), "{verified:#}");
    let prove = ["snapshot", "verify", "--restore", "--output", "json"];
    let proven: Value = serde_json::from_str(&while_clients_write(&cluster, &prove)).unwrap();
    assert!(proven["restored"]["mounts"].as_u64().is_some_and(|mounts| mounts > 3), "{proven:#}");
    let status = cluster.vaultyard(&["status"]).done();
    assert!(status.contains("the newest that is proven"), "{status}");
    assert_eq!(throw_away(&cluster), None, "nothing is left of it");
    a_death_in_a_proof_leaves_nothing(&cluster, Container::Unsealer, "has ended in the middle");
    // With its server, and what was asked of that may be what fails first.
    a_death_in_a_proof_leaves_nothing(&cluster, Container::Prover, "Error: ");

    let rekey = ["keys", "rekey", "--yes", cluster.name(), "--key-shares", "3", "--key-threshold"];
    let _ = cluster.wait_until_ready();
    let refused = cluster.vaultyard(&[&rekey[..], &["4"]].concat());
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("4 of 3 shares"), "{refused:#?}");
    let said = while_clients_write(&cluster, &[&rekey[..], &["2"]].concat());
    assert!(said.contains("3 new shares") && said.contains("2 unseal a server"), "{said}");
    let all: Vec<_> = (0..3).map(|ordinal| cluster.server(ordinal)).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    cluster.survives(|cluster| cluster.delete_pods(&all));

    let other = cluster.vaultyard(&["snapshot", "take"]).done().trim().to_owned();
    let _ = cluster.vaultyard(&["snapshot", "delete", &other, "--yes", cluster.name()]).done();
    let gone = cluster.vaultyard(&["snapshot", "delete", &other, "--yes", cluster.name()]);
    assert_eq!(gone.code, BAD_INPUT, "{gone:#?}");

    let writing = cluster.start_writing();
    writing.wait_for(20);
    let later = writing.stop();
    put_back(&cluster, &name);
    let lost = later.verdict(&journal::read_back(&cluster.access(), &later));
    assert_eq!(lost.len(), later.acknowledged(), "what came later is gone: {lost:#?}");
    // The shares of that time open it.
    cluster.survives(|cluster| cluster.delete_pods(&all));
    let _ = while_clients_write(&cluster, &[&rekey[..], &["2"]].concat());
    cluster.survives(|cluster| cluster.delete_pods(&all));
}

/// A server beside which another one stands.
fn throw_away(cluster: &Kube) -> Option<String> {
    let mut all = (0..3).map(|ordinal| cluster.server(ordinal));
    let stands = |server: &String| {
        let volume = cluster.files_of(server, Container::Server).join("vaultyard/data");
        volume.join("throw-away").exists() || volume.join("throw-away.json").exists()
    };
    all.find(stands)
}

#[track_caller]
fn a_death_in_a_proof_leaves_nothing(cluster: &Kube, of: Container, told: &str) {
    let said = std::thread::scope(|scope| {
        let proving = scope.spawn(|| cluster.vaultyard(&["snapshot", "verify", "--restore"]));
        let at = wait("a throw-away server", PROOF, || throw_away(cluster));
        cluster.signal(&at, of, Signal::KILL);
        proving.join().unwrap()
    });
    assert_eq!(said.code, Some(1), "{said:#?}");
    assert!(said.stderr.contains(told), "{said:#?}");
    wait("nothing is left of it", PROOF, || throw_away(cluster).is_none().then_some(()));
    let _ = cluster.wait_until_ready();
}

fn put_back(cluster: &Kube, name: &str) {
    let unknown = ["snapshot", "restore", "20200101T000000Z", "--yes", cluster.name()];
    let unknown = cluster.vaultyard(&unknown);
    assert_eq!(unknown.code, BAD_INPUT, "{unknown:#?}");
    let unasked = cluster.vaultyard(&["snapshot", "restore", name]);
    assert_eq!(unasked.code, Some(5), "{unasked:#?}");
    let restored = cluster.vaultyard(&["snapshot", "restore", name, "--yes", cluster.name()]);
    assert_eq!(restored.code, Some(0), "{restored:#?}\n{}", cluster.all_there_is());
    let _ = cluster.wait_until_ready();
}
