//! HashiCorp Vault in place of OpenBao: what is promised of a cluster on Kubernetes holds of it too.

use vaultyard_e2e::kubernetes::{Container, Kube, Machines, image};

use crate::rollouts::{declared, versions};

fn of(version: &str) -> String {
    declared(&format!("software: vault, version: {version}, "))
}

fn run(cluster: &Kube, version: &str) {
    assert_eq!(versions(&cluster.wait_until_ready()), [version; 3].map(str::to_owned));
}

#[test]
fn it_is_kept_given_new_shares_and_changed_there_and_back_without_a_failed_request() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(&of("1.21.0"));
    let [from, to] = ["vault-1.21.0", "vault-1.21.1"].map(image);
    let up = cluster.up(&["--server-image", &from]);
    assert_eq!(up.code, Some(0), "{up:#?}\n{}", cluster.all_there_is());
    let writing = cluster.start_writing();
    writing.wait_for(30);
    let said = cluster.vaultyard(&["keys", "rekey", "--yes", cluster.name()]).done();
    assert!(said.contains("new shares"), "{said}");
    // What was taken before the rekey is of other shares.
    let _ = cluster.vaultyard(&["snapshot", "take"]).done();
    let proven = cluster.vaultyard(&["snapshot", "verify", "--restore"]).done();
    assert!(proven.contains("the keys of the cluster open it"), "{proven}");

    let upgraded = cluster.upgrade(&["--to", "1.21.1", "--yes", "--server-image", &to]);
    assert_eq!(upgraded.code, Some(0), "{upgraded:#?}\n{}", cluster.all_there_is());
    assert!(upgraded.stdout.contains("snapshot    is taken first"), "{upgraded:#?}");
    run(&cluster, "1.21.1");
    let back = ["rollback", "-f", &cluster.document(), "--yes", "--server-image", &from];
    let back = cluster.vaultyard(&back);
    assert_eq!(back.code, Some(0), "{back:#?}\n{}", cluster.all_there_is());
    run(&cluster, "1.21.0");
    writing.wait_for(30);
    let journal = writing.stop();
    journal.expect_no_failure();

    // The new shares open those that were killed.
    let all: Vec<_> = (0..3).map(|ordinal| cluster.server(ordinal)).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    cluster.recovers_from(&all, |cluster| cluster.kill(&all));
    assert_eq!(cluster.faults_of(&journal), []);
    audited(&cluster);
}

/// What clients have asked stands in the file of whoever leads.
#[track_caller]
fn audited(cluster: &Kube) {
    let file = cluster.files_of(&cluster.leader(), Container::Server);
    let file = file.join("vaultyard/data/audit.log");
    let audited = std::fs::read_to_string(&file).unwrap();
    assert!(audited.contains("\"path\":\"secret/"), "{}", file.display());
}
