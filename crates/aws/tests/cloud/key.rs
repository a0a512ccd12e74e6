use serde_json::json;
use vaultyard_model::Secret;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption};
use vaultyard_testkit::contract;

use crate::emulator::Emulator;

fn data_key() -> Secret {
    Secret::new(vec![7; 32])
}

#[tokio::test]
async fn a_key_of_kms_keeps_the_contract_of_a_key_encryption() {
    let emulator = Emulator::start().await;
    let key = emulator.key(&emulator.new_key().await);
    contract::key_encryption(&key).await;
    assert!(!key.describe().key_beside_data);
}

#[tokio::test]
async fn what_an_alias_encrypted_opens_when_it_names_another_key() {
    let emulator = Emulator::start().await;
    let (old, new) = (emulator.new_key().await, emulator.new_key().await);
    let name = json!({"AliasName": "alias/vault", "TargetKeyId": old});
    emulator.kms("CreateAlias", name).await;
    let key = emulator.key("alias/vault");
    let wrapped = key.wrap_key(&data_key(), b"c").await.unwrap();
    assert_eq!(wrapped.key_id, old);
    emulator.kms("UpdateAlias", json!({"AliasName": "alias/vault", "TargetKeyId": new})).await;
    assert!(key.unwrap_key(&wrapped, b"c").await.unwrap().same_as(&data_key()));
}

#[tokio::test]
async fn a_key_that_is_missing_is_said() {
    let emulator = Emulator::start().await;
    let missing = emulator.key("alias/none").wrap_key(&data_key(), b"c").await;
    let Err(CustodyError::Fatal(text)) = missing else { panic!("{missing:?}") };
    assert!(text.contains("NotFoundException") && text.contains("kms:Encrypt"), "{text}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_may_do_so_later() {
    let emulator = Emulator::start().await;
    let key = emulator.key(&emulator.new_key().await);
    drop(emulator);
    assert!(key.wrap_key(&data_key(), b"c").await.unwrap_err().is_retryable());
}
