//! The objects of the key store are lost, changed and rolled back. A server that cannot be unsealed
//! says why and keeps its data; it is unsealed as soon as the right object is back.

use serde_json::{Value, json};
use vaultyard_e2e::kubernetes::{Kube, Machines};
use vaultyard_e2e::{Server, Status};

/// The key within a Secret of the store.
const OBJECT: &str = "object";

/// The objects of the store as they are now, and what opens them, which lies beside them.
#[track_caller]
fn objects(cluster: &Kube) -> [Value; 3] {
    ["intent-0001", "keys-0001", "key-encryption"].map(|ending| {
        let name = format!("{}-{ending}", cluster.name());
        let object = cluster.object(&["secret", &name]).expect("the store holds it");
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": object["type"],
            "immutable": object["immutable"], "data": object["data"],
            "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"]},
        })
    })
}

/// Does `harm` to the objects of the store, lets a standby start anew, and sees that it stays sealed
/// with its data for this reason, until the objects are brought back.
#[track_caller]
fn stays_sealed(cluster: &Kube, harm: impl FnOnce(&Kube, &[Value; 3]), reason: &str) {
    let writing = cluster.start_writing();
    writing.wait_for(30);
    let objects = objects(cluster);
    harm(cluster, &objects);
    let standby = cluster.standby();
    cluster.delete_pods(&[&standby]);
    let of = |status: &Status| -> Server {
        status.servers.iter().find(|it| it.name == standby).unwrap().clone()
    };
    let told = cluster.wait_for("told why it stays sealed", |status| {
        of(status).sealed == Some(true) && of(status).why.join(" ").contains(reason)
    });
    assert_eq!(of(&told).initialized, Some(true), "its data was not touched");
    writing.wait_for(30);
    for object in &objects {
        put(cluster, object);
    }
    let _ = cluster.wait_until_ready();
    let journal = writing.stop();
    assert_eq!(cluster.faults_of(&journal), [], "{:#?}", journal.failed().collect::<Vec<_>>());
}

/// In place of what may be there.
#[track_caller]
fn put(cluster: &Kube, object: &Value) {
    delete(cluster, object);
    let file = cluster.write("object.json", &object.to_string());
    let _ = cluster.kubectl(&["create", "-f", &file]);
}

#[track_caller]
fn delete(cluster: &Kube, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let _ = cluster.kubectl(&["delete", "secret", name, "--ignore-not-found"]);
}

/// One after the other on one cluster.
#[test]
fn objects_that_are_lost_changed_and_rolled_back_are_told_of_and_nothing_is_wiped() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    stays_sealed(&cluster, keys_are_deleted, "the store holds no keys");
    let all = |cluster: &Kube, objects: &[Value; 3]| {
        objects[..2].iter().for_each(|object| delete(cluster, object));
    };
    stays_sealed(&cluster, all, "the store holds no keys");
    stays_sealed(&cluster, keys_are_tampered_with, "keys-0001");
    the_store_is_rolled_back_to_an_older_cluster(&cluster);
}

fn keys_are_deleted(cluster: &Kube, objects: &[Value; 3]) {
    delete(cluster, &objects[1]);
    // No server needs them yet. An unsealer looks when it begins, and every few minutes.
    cluster.kill_pod(cluster.name(), &cluster.leader(), "unsealer");
    let noticed = |status: &Status| status.holds("KeysKept") == Some(false);
    let status = cluster.wait_for("noticed", noticed);
    let all = status.servers.iter().all(|server| server.sealed == Some(false));
    assert!(all && status.phase == "Degraded", "{status:#?}");
    let kept = status.conditions.iter().find(|it| it.kind == "KeysKept").unwrap();
    assert!(kept.message.contains("restart nothing"), "{}", kept.message);
}

fn keys_are_tampered_with(cluster: &Kube, objects: &[Value; 3]) {
    let mut tampered = objects[1].clone();
    let text = tampered["data"][OBJECT].as_str().unwrap();
    // Somewhere within the ciphertext.
    let (head, tail) = text.split_at(text.len() / 2);
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    tampered["data"][OBJECT] = format!("{head}{other}{}", &tail[1..]).into();
    put(cluster, &tampered);
}

/// Everything that the store held when a cluster of the same name stood here before.
#[track_caller]
fn the_store_is_rolled_back_to_an_older_cluster(cluster: &Kube) {
    let older = objects(cluster);
    let words = ["destroy", "--yes", cluster.name(), "--volumes", "--keys"];
    let _ = cluster.vaultyard(&words).done();
    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    stays_sealed(
        cluster,
        |cluster, _| older.iter().for_each(|object| put(cluster, object)),
        "the server refuses the stored keys",
    );
}
