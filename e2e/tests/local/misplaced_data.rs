//! Data that is not the server's own, or only a part of its own: the server would run and never
//! take part, or look like a new one. It is not started and says why, and nothing is wiped.

use vaultyard_e2e::{Cluster, Home};

/// After this `harm` to the stopped servers' folders, vault-1 says `words` and does not run, and
/// the others work.
#[track_caller]
fn is_told(home: Home, harm: &str, words: &str) -> Home {
    let _ = home.shell(&format!("cd state/servers; {harm}")).done();
    let mut cluster = Cluster::starting(home, &[]);
    cluster.wait_for("led, and aware of what is wrong", |home, status| {
        status.leader().is_some() && home.run(&["why", "vault-1"]).stdout.contains(words)
    });
    assert_eq!(cluster.home().processes().server("vault-1"), None);
    cluster.stop_unready()
}

#[test]
fn a_server_with_the_data_of_another_or_half_of_its_own_is_not_started() {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(5);
    let journal = writing.stop();
    let home = cluster.stop();

    let another = "mv vault-1/data kept; cp -a vault-2/data vault-1/data";
    let home = is_told(home, another, "belongs to vault-2");
    let half = "rm -r vault-1/data; mv kept vault-1/data; mv vault-1/data/vault.db kept.db";
    let home = is_told(home, half, "incomplete");

    let _ = home.shell("cd state/servers; mv kept.db vault-1/data/vault.db").done();
    let cluster = Cluster::of(home, &[]);
    cluster.keys_verify();
    assert_eq!(cluster.faults_of(&journal), []);
}
