//! Bad input gets a clear error, exit code 2, and changes nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use vaultyard_e2e::Home;

/// A document: the built-in one with this `spec`.
fn document(spec: &str) -> String {
    format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n{spec}"
    )
}

/// `up -f FILE` is refused, and says each of `words`.
#[track_caller]
fn refuses(content: &str, words: &[&str]) {
    let home = Home::new();
    let file = home.write("cluster.yaml", content);
    let mut up = home.up(&["-f", &file.display().to_string()]);
    let code = up.wait(Duration::from_secs(10)).code();
    let said = up.said();
    assert_eq!(code, Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(!home.state().exists(), "something was changed");
}

#[test]
fn yaml_that_is_none() {
    refuses("kind: [", &["cluster.yaml"]);
}

#[test]
fn a_document_of_another_kind() {
    refuses(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
        &["ConfigMap", "VaultCluster"],
    );
}

#[test]
fn a_misspelt_key_and_the_right_word_for_it() {
    let content = document("spec:\n  servers:\n    replica: 3\n");
    refuses(&content, &["cluster.yaml:6", "spec.servers", "replica", "replicas"]);
}

#[test]
fn a_key_given_twice() {
    let content = document("spec:\n  servers:\n    replicas: 3\n    replicas: 5\n");
    refuses(&content, &["replicas"]);
}

#[test]
fn all_faults_at_once() {
    let content = document(
        "spec:\n  servers: {replicas: 2, version: two}\n  keys: {shares: 3, threshold: 4}\n",
    );
    refuses(&content, &["spec.servers.replicas", "spec.servers.version", "spec.keys.threshold"]);
}

#[test]
fn numbers_of_servers_that_form_no_majority() {
    for replicas in ["0", "2", "4", "11", "-1", "three"] {
        let content = document(&format!("spec: {{servers: {{replicas: {replicas}}}}}\n"));
        refuses(&content, &["spec.servers.replicas", "1, 3, 5, 7"]);
    }
}

#[test]
fn thresholds_that_protect_nothing_or_cannot_be_met() {
    for keys in ["{shares: 5, threshold: 6}", "{shares: 5, threshold: 1}", "{shares: 0}"] {
        refuses(&document(&format!("spec: {{keys: {keys}}}\n")), &["spec.keys"]);
    }
}

#[test]
fn what_a_later_version_will_do() {
    let content = document("spec: {certificates: {public: {acme: {}}}}\n");
    refuses(&content, &["acme", "not supported by this version on target local"]);
    let content = document("spec: {keys: {encryption: {azureKeyVault: {}}}}\n");
    refuses(&content, &["azureKeyVault", "not supported by this version on target local"]);
}

#[test]
fn an_alias_bomb() {
    let mut spec = "spec:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (from, to) in ('a'..='i').zip('b'..='j') {
        let many = vec![format!("*{from}"); 10].join(", ");
        spec.push_str(&format!("  {to}: &{to} [{many}]\n"));
    }
    refuses(&document(&spec), &["cluster.yaml"]);
}

#[test]
fn flags_that_make_no_sense() {
    let tables: [(&[&str], &str); 5] = [
        (&["up", "--nonsense"], "--nonsense"),
        (&["up", "-f", "not-there.yaml"], "not-there.yaml"),
        (&["up", "--address", "10.0.0.1"], "10.0.0.1"),
        (&["status", "--output", "xml"], "xml"),
        (&["explain", "spec.severs"], "did you mean \"servers\"?"),
    ];
    for (words, expected) in tables {
        let home = Home::new();
        let said = home.run(words);
        assert_eq!(said.code, Some(2), "{words:?}: {said:#?}");
        assert!(said.stderr.contains(expected), "{words:?}: {said:#?}");
        assert!(!home.state().exists(), "{words:?} changed something");
    }
}

#[test]
fn a_version_that_is_not_there() {
    let content = document("spec: {servers: {version: 9.9.9}}\n");
    refuses(&content, &["9.9.9", "spec.servers.version", "2.7.2"]);
}

#[test]
fn a_binary_that_is_none_of_that_version() {
    let home = Home::new();
    for (says, missing) in [("OpenBao v2.6.1", "2.6.1"), ("hello", "hello")] {
        let fake = home.write("fake-bao", &format!("#!/bin/sh\necho '{says}'\n"));
        fs::set_permissions(&fake, Permissions::from_mode(0o755)).unwrap();
        let place = fake.display().to_string();
        let content = document(&format!("spec: {{servers: {{binary: {place}}}}}\n"));
        refuses(&content, &[&place, missing, "2.7.2"]);
    }
    let content = document("spec: {servers: {binary: /not/there/bao}}\n");
    refuses(&content, &["/not/there/bao"]);
}
