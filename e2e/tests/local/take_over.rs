//! Keys that vault-init left in a bucket are kept as a document says.

use std::net::Ipv4Addr;

use serde_json::json;
use vaultyard_e2e::{Google, Home, Said};
use vaultyard_emulators::google::BUCKET;
use vaultyard_emulators::google_kms::KEY;

/// Three shares: 32 bytes and which it is, as base64.
const SHARES: [&str; 3] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAC",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD",
];

/// As a person would who has told his terminal to ask emulators in Google's place.
fn take_over(home: &Home, google: &Google) -> Said {
    let emulators = google.environment().into_iter().map(|(name, value)| format!("{name}={value}"));
    let emulators: Vec<_> = emulators.collect();
    home.shell(&format!(
        "export {}; vaultyard keys take-over -f cluster.yaml --bucket {BUCKET} --kms-key {KEY} \
         --threshold 2",
        emulators.join(" ")
    ))
}

#[test]
fn the_keys_that_vault_init_left_are_taken_over_whole_or_not_at_all() {
    let (home, google) = (Home::new(), Google::start(Ipv4Addr::LOCALHOST.into()));
    let _ = home.write(
        "cluster.yaml",
        &format!(
            "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
             spec:\n  keys: {}\n",
            google.keys()
        ),
    );
    let refused = |said: &Said, code: i32, word: &str| {
        assert!(said.code == Some(code) && said.stderr.contains(word), "{word:?}: {said:#?}");
    };
    refused(&take_over(&home, &google), 2, "vault-init left no keys");

    let answer = json!({"keys": [], "keys_base64": SHARES, "root_token": "s.root"});
    google.leave("unseal-keys.json.enc", &answer.to_string());
    refused(&take_over(&home, &google), 1, "no root-token.enc");

    google.leave("root-token.enc", "s.root");
    let said = take_over(&home, &google).done();
    assert!(said.contains("3 shares, of which 2 unseal a server"), "{said}");
    let kept = google.object("vault", "keys-0001.json");
    assert!(kept.contains(&format!("\"{KEY}/cryptoKeyVersions/1\"")), "{kept}");
    assert!(SHARES.iter().all(|share| !kept.contains(share)), "{kept}");

    refused(&take_over(&home, &google), 1, "holds records of this cluster already");
}
