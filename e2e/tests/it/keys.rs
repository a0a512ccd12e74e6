//! The stored keys: checked, handed out, and the way back in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vaultyard_e2e::{Cluster, wait};

/// Does `harm` to the state of a stopped cluster. The next `up` says what it misses and changes
/// nothing: with the state as it was, the cluster is whole again, with everything in it.
#[track_caller]
fn waits_for_a_person(harm: impl FnOnce(&Path), said: &str) {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(5);
    let journal = writing.stop();
    let home = cluster.stop();

    let aside = home.folder().join("aside");
    let _ = home.shell("cp -a state aside").done();
    harm(&home.state());
    let up = home.up(&[]);
    wait(&format!("{said:?} is said"), Duration::from_secs(60), || {
        up.said().contains(said).then_some(())
    });
    drop(up);

    for folder in ["keys", "key-encryption"] {
        let _ = fs::remove_dir_all(home.state().join(folder));
        let _ = home.shell(&format!("cp -a {}/{folder} state/", aside.display())).done();
    }
    let cluster = Cluster::of(home, &[]);
    cluster.keys_verify();
    assert_eq!(cluster.faults_of(&journal), []);
}

#[test]
fn a_damaged_envelope_is_refused() {
    let damage = |state: &Path| {
        let envelope = largest_file(&state.join("keys"));
        let mut bytes = fs::read(&envelope).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&envelope, &bytes).unwrap();
    };
    waits_for_a_person(damage, "damaged");
}

#[test]
fn a_lost_key_encryption_key_is_missed() {
    waits_for_a_person(
        |state| fs::remove_dir_all(state.join("key-encryption")).unwrap(),
        "key-encryption",
    );
}

#[test]
fn a_key_store_that_vanished_is_missed_and_no_server_is_wiped() {
    waits_for_a_person(|state| fs::remove_dir_all(state.join("keys")).unwrap(), "keys");
}

#[test]
fn a_root_token_from_the_shares_is_shown_until_it_is_revoked() {
    let mut cluster = Cluster::new();
    let token = cluster.home().run(&["keys", "generate-root", "--yes", "vault"]).done();
    cluster.wait_for("aware of the root token", |_, status| {
        status.holds("RootTokenRevoked") == Some(false)
    });

    let token = token.trim();
    let revoke = format!("eval \"$(vaultyard env)\"; BAO_TOKEN={token} bao token revoke -self");
    let _ = cluster.home().shell(&revoke).done();
    cluster.wait_for("sure that it is gone", |_, status| {
        status.holds("RootTokenRevoked") == Some(true)
    });
}

/// The largest file below a folder.
fn largest_file(folder: &Path) -> PathBuf {
    let mut largest = (0, folder.to_path_buf());
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let path = if path.is_dir() { largest_file(&path) } else { path };
        let size = path.metadata().map_or(0, |found| found.len());
        largest = largest.max((size, path));
    }
    largest.1
}
