use vaultyard_emulators::moto::BUCKET;
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, ObjectName};
use vaultyard_testkit::contract;

use crate::emulator::Emulator;

#[tokio::test]
async fn a_bucket_keeps_the_contract_of_a_key_store() {
    let emulator = Emulator::start().await;
    // What follows proves nothing on an emulator that lets itself be overwritten.
    let url = format!("{}/{BUCKET}/by-hand", emulator.url());
    for (body, status) in [("first", 200), ("second", 412)] {
        let put = emulator.http.put(&url).header("if-none-match", "*").body(body);
        // Its rule for strangers comes first, so it must see somebody's name.
        let signature = "AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/s3/aws4_request, \
                         SignedHeaders=host, Signature=x";
        let answer = put.header("authorization", signature).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    contract::key_store(&emulator.store(BUCKET, "clusters/vault")).await;
}

#[tokio::test]
async fn a_bucket_keeps_the_contract_of_a_place_for_snapshots() {
    let emulator = Emulator::start().await;
    let inner = emulator.store(BUCKET, "clusters/vault/inner");
    assert!(matches!(inner.create(&ObjectName::Keys(1), b"1").await, Ok(Create::Created(_))));
    contract::snapshot_store(&emulator.store(BUCKET, "clusters/vault")).await;
}

#[tokio::test]
async fn two_folders_of_a_bucket_are_apart() {
    let emulator = Emulator::start().await;
    let (one, other) = (emulator.store(BUCKET, "one"), emulator.store(BUCKET, "one/more"));
    assert_eq!(one.create(&ObjectName::Keys(1), b"1").await, Ok(Create::Created(1)));
    assert_eq!(other.read(&ObjectName::Keys(1)).await, Ok(None));
    assert_eq!(other.create(&ObjectName::Keys(1), b"2").await, Ok(Create::Created(1)));
    assert_eq!(one.read(&ObjectName::Keys(1)).await.unwrap().unwrap().bytes, b"1");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_and_not_an_empty_one() {
    let emulator = Emulator::start().await;
    let store = emulator.store("no-such-bucket", "vault");
    let fatal = |result: Result<(), CustodyError>| {
        let Err(CustodyError::Fatal(text)) = result else { panic!("{result:?}") };
        assert!(text.contains("no-such-bucket"), "{text}");
    };
    fatal(store.read(&ObjectName::Keys(1)).await.map(drop));
    fatal(store.create(&ObjectName::Keys(1), b"{}").await.map(drop));
    fatal(store.discard_probe("x").await);
}

#[tokio::test]
async fn a_store_that_does_not_answer_may_do_so_later() {
    let emulator = Emulator::start().await;
    let store = emulator.store(BUCKET, "vault");
    drop(emulator);
    assert!(store.read(&ObjectName::Keys(1)).await.unwrap_err().is_retryable());
    assert!(store.create(&ObjectName::Keys(1), b"{}").await.unwrap_err().is_retryable());
}
