//! The stored keys: checked, handed out, and the way back in.

use std::time::Duration;

use vaultyard_e2e::{Cluster, Home};

/// After this `harm` to the state of a stopped cluster, `up` gives up, and says each of `words`.
#[track_caller]
fn waits_for_a_person(home: &Home, harm: &str, words: &[&str]) {
    let _ = home.shell(&format!("cp -a state aside; cd state; {harm}")).done();
    let mut up = home.up(&[]);
    let code = up.wait(Duration::from_secs(60)).code();
    assert_eq!(code, Some(1), "{harm}: {}", up.said());
    for word in words {
        assert!(up.said().contains(word), "{harm}: {word:?} is missing:\n{}", up.said());
    }
    assert!(home.processes().servers().is_empty());
    let back = "rm -rf state/keys state/key-encryption; \
                mv aside/keys aside/key-encryption state/; rm -r aside";
    let _ = home.shell(back).done();
}

/// Nothing of it may cost data: with keys and key file as they were, the cluster is whole again.
#[test]
fn damaged_lost_and_rolled_back_keys_are_told_and_no_server_is_wiped() {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(5);
    let journal = writing.stop();
    let home = cluster.stop();

    let damage = r#"sed -i '/ciphertext/ { s/": "[^A]/": "A/; t; s/": "A/": "B/ }' keys/keys-*"#;
    waits_for_a_person(&home, damage, &["keys-0001.json", "changed"]);
    let other_header = r#"sed -i 's/"threshold": 3/"threshold": 2/' keys/keys-*"#;
    waits_for_a_person(&home, other_header, &["keys-0001.json", "changed"]);
    waits_for_a_person(&home, "rm -r key-encryption", &["key-encryption.key", "backup"]);
    waits_for_a_person(
        &home,
        "echo x > key-encryption/key-encryption.key",
        &["key-encryption.key"],
    );
    waits_for_a_person(&home, "rm -r keys", &["keys", "gone"]);
    waits_for_a_person(&home, "rm keys/keys-*", &["rolled back"]);
    waits_for_a_person(&home, "rm keys/*", &["rolled back"]);
    waits_for_a_person(&home, "rm -r keys key-encryption", &["keys", "gone"]);

    let cluster = Cluster::of(home, &[]);
    cluster.keys_verify();
    assert_eq!(cluster.faults_of(&journal), []);
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

#[test]
fn a_root_token_can_be_made_when_logins_are_lost() {
    let cluster = Cluster::new();
    let lose = "eval \"$(vaultyard env)\"; vaultyard login; bao auth disable cert";
    let _ = cluster.home().shell(lose).done();
    assert_eq!(cluster.home().run(&["login"]).code, Some(1));

    let token = cluster.home().run(&["keys", "generate-root", "--yes", "vault"]).done();
    let use_it = format!(
        "eval \"$(vaultyard env)\"; BAO_TOKEN={} bao token lookup -format=json",
        token.trim()
    );
    assert!(cluster.home().shell(&use_it).done().contains("\"root\""));
}

/// Without any help of Vaultyard: the day it is needed may be a day without it.
#[test]
fn shares_that_were_handed_to_people_unseal_a_server_by_hand() {
    let cluster = Cluster::new();
    let export = "for n in 1 2 3; do age-keygen -o person-$n 2>/dev/null; \
                  people=\"$people --recipient $(age-keygen -y person-$n)\"; done; \
                  vaultyard keys export --shares 3 $people >exported; \
                  awk '/^share/ { n = $2 } /BEGIN AGE/, /END AGE/ { print >\"share-\" n }' exported";
    let _ = cluster.home().shell(export).done();
    let environment = cluster.home().run(&["env"]).done();
    let status = cluster.status().unwrap();
    let home = cluster.stop();

    let server = &status.servers[0];
    let unseal = format!(
        "{environment}\n export BAO_ADDR={}; \
         (cd state/servers/{}; exec bao server -config=server.json) >server.out 2>&1 & \
         until bao status >/dev/null 2>&1 || [ $? = 2 ]; do sleep 0.1; done; \
         for n in 1 2 3; do bao operator unseal \"$(age -d -i person-$n share-$n)\"; done",
        server.address, server.name
    );
    let said = home.shell(&unseal).done();
    let last = said.lines().rfind(|line| line.starts_with("Sealed")).unwrap_or_default();
    assert!(last.ends_with("false"), "{said}");
}
