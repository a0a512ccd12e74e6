use serde_json::json;
use vaultyard_emulators::google::BUCKET;
use vaultyard_emulators::google_kms::FakeKms;
use vaultyard_google::{Takeover, TakeoverError};

use crate::emulator::{Emulator, key};

fn answer_to_init(token: &str) -> String {
    json!({"keys": ["00ff", "01ff"], "keys_base64": ["AP8=", "Af8="], "root_token": token})
        .to_string()
}

/// What vault-init leaves: base64 of what Cloud KMS encrypted, at the top of the bucket.
async fn leave(emulator: &Emulator, kms: &FakeKms, object: &str, text: &str) {
    let encrypted = kms.encrypted(text).await;
    assert_eq!(emulator.upload(object, encrypted.as_bytes(), "").await, 200);
}

#[tokio::test]
async fn the_keys_that_vault_init_left_are_read() {
    let (emulator, kms) = (Emulator::start().await, FakeKms::start().await);
    let (storage, kms_key) = (emulator.store(BUCKET, "vault"), key(&kms));
    let takeover = Takeover { storage: &storage, kms: &kms_key };
    assert!(takeover.read().await.unwrap().is_none());

    leave(&emulator, &kms, "unseal-keys.json.enc", &answer_to_init("s.root")).await;
    let half = takeover.read().await;
    assert!(matches!(half, Err(TakeoverError::Half { missing: "root-token.enc", .. })));

    leave(&emulator, &kms, "root-token.enc", "s.root").await;
    kms.rotate();
    let left = takeover.read().await.unwrap().unwrap();
    let shares: Vec<_> = left.shares.iter().map(|share| share.expose_text().unwrap()).collect();
    assert_eq!(shares, ["AP8=", "Af8="]);
    assert_eq!(left.root_token.expose_text(), Some("s.root"));
}

#[tokio::test]
async fn objects_of_two_clusters_are_not_mixed() {
    let (emulator, kms) = (Emulator::start().await, FakeKms::start().await);
    leave(&emulator, &kms, "unseal-keys.json.enc", &answer_to_init("s.new")).await;
    leave(&emulator, &kms, "root-token.enc", "s.old").await;
    let (storage, kms_key) = (emulator.store(BUCKET, "vault"), key(&kms));
    let read = Takeover { storage: &storage, kms: &kms_key }.read().await;
    assert!(matches!(read, Err(TakeoverError::Different)));
}

#[tokio::test]
async fn something_else_under_these_names_is_refused() {
    let (emulator, kms) = (Emulator::start().await, FakeKms::start().await);
    let (storage, kms_key) = (emulator.store(BUCKET, "vault"), key(&kms));
    let takeover = Takeover { storage: &storage, kms: &kms_key };
    leave(&emulator, &kms, "root-token.enc", "s.root").await;
    leave(&emulator, &kms, "unseal-keys.json.enc", "{}").await;
    assert!(matches!(takeover.read().await, Err(TakeoverError::Other { .. })));
    assert_eq!(emulator.upload("unseal-keys.json.enc", b"not base64!", "").await, 200);
    assert!(matches!(takeover.read().await, Err(TakeoverError::Other { .. })));
}
