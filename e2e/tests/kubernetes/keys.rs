//! The objects of the key store are lost, changed and rolled back. A server that cannot be unsealed
//! says why and keeps its data; it is unsealed as soon as the right object is back.

use serde_json::{Value, json};
use vaultyard_e2e::kubernetes::{Kube, Machines};
use vaultyard_e2e::{Server, Status};

/// The key within a Secret of the store.
const OBJECT: &str = "object";

/// Does `harm` to the objects of the store, lets a standby start anew, and sees that it stays sealed
/// with its data for this reason, until `mend` brings the objects back.
#[track_caller]
fn stays_sealed(harm: impl FnOnce(&Kube, &[Value]), reason: &str) {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let names = ["intent-0001", "keys-0001"].map(|ending| format!("{}-{ending}", cluster.name()));
    let objects = names.each_ref().map(|name| {
        let object = cluster.object(&["secret", name]).expect("the store holds it");
        json!({
            "apiVersion": "v1", "kind": "Secret", "immutable": true, "type": object["type"],
            "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"]},
            "data": object["data"],
        })
    });
    harm(&cluster, &objects);
    let standby = cluster.standby();
    cluster.delete_pods(&[&standby]);
    let of = |status: &Status| -> Server {
        status.servers.iter().find(|it| it.name == standby).unwrap().clone()
    };
    let told = cluster.wait_for("told why it stays sealed", |status| {
        of(status).sealed == Some(true) && of(status).why.join(" ").contains(reason)
    });
    assert_eq!(of(&told).initialized, Some(true), "its data was not touched");
    writing.wait_for(50);
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        let _ = cluster.kubectl(&["delete", "secret", name, "--ignore-not-found"]);
        put(&cluster, object);
    }
    let _ = cluster.wait_until_ready();
    let journal = writing.stop();
    assert_eq!(cluster.faults_of(&journal), [], "{:#?}", journal.failed().collect::<Vec<_>>());
}

#[track_caller]
fn put(cluster: &Kube, object: &Value) {
    let file = cluster.write("object.json", &object.to_string());
    let _ = cluster.kubectl(&["create", "-f", &file]);
}

#[track_caller]
fn delete(cluster: &Kube, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let _ = cluster.kubectl(&["delete", "secret", name]);
}

#[test]
fn deleted_keys() {
    stays_sealed(
        |cluster, objects| {
            delete(cluster, &objects[1]);
            // No server needs them yet. An unsealer looks when it begins, and every few minutes.
            cluster.kill_pod(cluster.name(), &cluster.leader(), "unsealer");
            let noticed = |status: &Status| status.holds("KeysKept") == Some(false);
            let status = cluster.wait_for("noticed", noticed);
            let all = status.servers.iter().all(|server| server.sealed == Some(false));
            assert!(all && status.phase == "Degraded", "{status:#?}");
            let kept = status.conditions.iter().find(|it| it.kind == "KeysKept").unwrap();
            assert!(kept.message.contains("restart nothing"), "{}", kept.message);
        },
        "the store holds no keys",
    );
}

#[test]
fn a_store_that_was_rolled_back_to_its_beginning() {
    stays_sealed(
        |cluster, objects| objects.iter().for_each(|object| delete(cluster, object)),
        "the store holds no keys",
    );
}

#[test]
fn keys_that_were_tampered_with() {
    stays_sealed(
        |cluster, objects| {
            delete(cluster, &objects[1]);
            let mut tampered = objects[1].clone();
            let text = tampered["data"][OBJECT].as_str().unwrap();
            // Somewhere within the ciphertext.
            let (head, tail) = text.split_at(text.len() / 2);
            let other = if tail.starts_with('A') { 'B' } else { 'A' };
            tampered["data"][OBJECT] = format!("{head}{other}{}", &tail[1..]).into();
            put(cluster, &tampered);
        },
        "keys-0001",
    );
}
