use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use vaultyard_emulators::google::error;
use vaultyard_emulators::google_kms::{FakeKms, Fault, KEY};
use vaultyard_emulators::service::{Service, json};
use vaultyard_google::Account;
use vaultyard_model::Secret;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption};
use vaultyard_testkit::contract;

use crate::emulator::{key, key_for};

fn data_key() -> Secret {
    Secret::new(vec![7; 32])
}

#[tokio::test]
async fn a_key_of_kms_keeps_the_contract_of_a_key_encryption() {
    let kms = FakeKms::start().await;
    contract::key_encryption(&key(&kms)).await;
    assert!(!key(&kms).describe().key_beside_data);
}

#[tokio::test]
async fn an_older_version_of_the_key_still_decrypts() {
    let kms = FakeKms::start().await;
    let key = key(&kms);
    let old = key.wrap_key(&data_key(), b"c").await.unwrap();
    kms.rotate();
    let new = key.wrap_key(&data_key(), b"c").await.unwrap();
    assert_eq!(old.key_id, format!("{KEY}/cryptoKeyVersions/1"));
    assert_eq!(new.key_id, format!("{KEY}/cryptoKeyVersions/2"));
    for wrapped in [&old, &new] {
        assert!(key.unwrap_key(wrapped, b"c").await.unwrap().same_as(&data_key()));
    }
    kms.disable(1);
    let Err(CustodyError::Fatal(text)) = key.unwrap_key(&old, b"c").await else { panic!() };
    assert!(text.contains("cryptoKeyVersions/1 is not enabled"), "{text}");
}

#[tokio::test]
async fn bytes_that_changed_on_the_way_are_not_taken() {
    let kms = FakeKms::start().await;
    let wrapped = key(&kms).wrap_key(&data_key(), b"c").await.unwrap();
    for fault in [Fault::ChangesBytes, Fault::VerifiesNothing] {
        kms.fail(fault);
        let Err(CustodyError::Retryable(text)) = key(&kms).wrap_key(&data_key(), b"c").await else {
            panic!("{fault:?} is not seen")
        };
        assert!(text.contains("checksum"), "{text}");
    }
    kms.fail(Fault::ChangesBytes);
    let unwrapped = key(&kms).unwrap_key(&wrapped, b"c").await;
    assert!(matches!(unwrapped, Err(CustodyError::Retryable(_))));
}

#[tokio::test]
async fn a_service_that_uses_another_key_is_not_believed() {
    let kms = FakeKms::start().await;
    kms.fail(Fault::UsesAnotherKey);
    let wrapped = key(&kms).wrap_key(&data_key(), b"c").await;
    assert!(matches!(wrapped, Err(CustodyError::Fatal(_))), "{wrapped:?}");
}

/// A metadata server whose account has this token; counts how often it is asked for one.
async fn metadata_server(token: &'static str) -> (Service, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let service = Service::serve(move |request| {
        let flavour = request.headers().get("metadata-flavor");
        if flavour.is_none_or(|flavour| flavour != "Google") {
            return error(403, "PERMISSION_DENIED", "no Metadata-Flavor");
        }
        match request.uri().path() {
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = json!({
                    "access_token": token, "expires_in": 3600, "token_type": "Bearer",
                });
                json(200, &answer)
            }
            _ => error(404, "NOT_FOUND", "no such metadata"),
        }
    });
    (service.await, asked)
}

#[tokio::test]
async fn the_account_of_the_platform_is_shown_and_its_token_kept() {
    let kms = FakeKms::start().await;
    kms.require("token-of-the-platform");
    let (metadata, asked) = metadata_server("token-of-the-platform").await;
    let known = key_for(&kms, Account::of_metadata_server(&metadata.url).unwrap());
    let wrapped = known.wrap_key(&data_key(), b"c").await.unwrap();
    assert!(known.unwrap_key(&wrapped, b"c").await.unwrap().same_as(&data_key()));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a token serves for more than one call");

    let Err(CustodyError::Fatal(text)) = key(&kms).unwrap_key(&wrapped, b"c").await else {
        panic!("nobody may not use the key")
    };
    assert!(text.contains("cryptoKeyEncrypterDecrypter"), "{text}");
}

#[tokio::test]
async fn an_account_that_is_not_there_is_said_once() {
    let kms = FakeKms::start().await;
    let nobody = Service::serve(|_| error(404, "NOT_FOUND", "no such account")).await;
    let key = key_for(&kms, Account::of_metadata_server(&nobody.url).unwrap());
    let text = key.wrap_key(&data_key(), b"c").await.unwrap_err().to_string();
    assert!(text.contains("GOOGLE_APPLICATION_CREDENTIALS") && text.len() < 300, "{text}");
}

#[tokio::test]
async fn no_error_holds_the_token() {
    let kms = FakeKms::start().await;
    kms.require("another-token");
    let (metadata, _) = metadata_server("token-of-the-platform").await;
    let key = key_for(&kms, Account::of_metadata_server(&metadata.url).unwrap());
    let text = key.wrap_key(&data_key(), b"c").await.unwrap_err().to_string();
    assert!(text.contains("HTTP 401") && !text.contains("token-of-the-platform"), "{text}");
}
