use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::json;
use vaultyard_emulators::google::{BUCKET, error};
use vaultyard_emulators::service::{Service, json};
use vaultyard_google::{Account, GoogleStorage};
use vaultyard_model::cluster::{Bucket, Prefix, Web};
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, ObjectName};
use vaultyard_model::port::snapshots;
use vaultyard_testkit::contract;

use crate::emulator::Emulator;

#[tokio::test]
async fn a_bucket_keeps_the_contract_of_a_key_store() {
    let emulator = Emulator::start().await;
    // What follows proves nothing on an emulator that lets itself be overwritten.
    assert_eq!(emulator.upload("by-hand", b"first", "&ifGenerationMatch=0").await, 200);
    assert_eq!(emulator.upload("by-hand", b"second", "&ifGenerationMatch=0").await, 412);
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
    assert!(matches!(one.create(&ObjectName::Keys(1), b"1").await, Ok(Create::Created(_))));
    assert_eq!(other.read(&ObjectName::Keys(1)).await, Ok(None));
    assert!(matches!(other.create(&ObjectName::Keys(1), b"2").await, Ok(Create::Created(_))));
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

/// A store at a service that answers so.
fn store_at(at: &Web) -> GoogleStorage {
    let (bucket, prefix) = (Bucket::new(BUCKET).unwrap(), Prefix::new("vault").unwrap());
    GoogleStorage::new(Account::anonymous(), Some(at), bucket, prefix).unwrap()
}

#[tokio::test]
async fn what_passes_is_retryable_and_what_lasts_is_fatal() {
    for (status, retryable) in [(429, true), (503, true), (500, true), (401, false), (403, false)] {
        let service = Service::serve(move |_| error(status, "X", "because of the test")).await;
        let store = store_at(&Web::new(&service.url).unwrap());
        let failed = store.create(&ObjectName::Keys(1), b"{}").await.unwrap_err();
        assert_eq!(failed.is_retryable(), retryable, "{failed}");
        assert!(failed.to_string().contains("because of the test"), "{failed}");
        assert_eq!(store.read(&ObjectName::Keys(1)).await.unwrap_err().is_retryable(), retryable);
    }
}

#[tokio::test]
async fn a_reader_who_may_not_list_cannot_take_an_object_for_missing() {
    let answer = |request: Request<Bytes>| {
        let lists = request.uri().query().is_some_and(|query| query.contains("prefix="));
        if lists { error(403, "PERMISSION_DENIED", "no") } else { error(404, "NOT_FOUND", "none") }
    };
    let service = Service::serve(answer).await;
    let read = store_at(&Web::new(&service.url).unwrap()).read(&ObjectName::Keys(1)).await;
    let Err(CustodyError::Fatal(text)) = read else { panic!("{read:?}") };
    assert!(text.contains("roles/storage.objectUser"), "{text}");
}

#[tokio::test]
async fn an_object_that_is_listed_is_never_missing() {
    let answer = |request: Request<Bytes>| {
        let lists = request.uri().query().is_some_and(|query| query.contains("prefix="));
        let listed = json!({"items": [{"name": "vault/keys-0001.json"}]});
        if lists { json(200, &listed) } else { error(404, "NOT_FOUND", "none") }
    };
    let service = Service::serve(answer).await;
    let read = store_at(&Web::new(&service.url).unwrap()).read(&ObjectName::Keys(1)).await;
    assert!(matches!(read, Err(CustodyError::Retryable(_))), "{read:?}");
}

/// The CRC32C of `data1` is seMjNg==.
fn download(sum: &str) -> Response<Full<Bytes>> {
    let answer = Response::builder().header("x-goog-generation", "7");
    answer.header("x-goog-hash", format!("crc32c={sum}")).body(Full::new("data1".into())).unwrap()
}

#[tokio::test]
async fn bytes_that_changed_on_the_way_are_not_taken() {
    let service = Service::serve(|_| download("seMjNg==")).await;
    let read = store_at(&Web::new(&service.url).unwrap())
        .read(&ObjectName::Keys(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read.bytes.as_slice(), read.version), (b"data1".as_slice(), 7));
    let service = Service::serve(|_| download("seMjNw==")).await;
    let read = store_at(&Web::new(&service.url).unwrap()).read(&ObjectName::Keys(1)).await;
    assert!(matches!(read, Err(CustodyError::Retryable(_))), "{read:?}");

    let stored = |request: Request<Bytes>| {
        assert_eq!(request.method(), Method::POST);
        json(200, &json!({"generation": "7", "crc32c": "seMjNw=="}))
    };
    let service = Service::serve(stored).await;
    let created =
        store_at(&Web::new(&service.url).unwrap()).create(&ObjectName::Keys(1), b"data1").await;
    assert!(matches!(created, Err(CustodyError::Fatal(_))), "{created:?}");
}

#[tokio::test]
async fn something_else_at_the_address_is_not_taken_for_a_store() {
    let service = Service::serve(|_| json(200, &json!({"hello": "world"}))).await;
    let store = store_at(&Web::new(&service.url).unwrap());
    for failed in [
        store.read(&ObjectName::Keys(1)).await.map(drop),
        store.create(&ObjectName::Keys(1), b"{}").await.map(drop),
    ] {
        let Err(CustodyError::Fatal(text)) = failed else { panic!("{failed:?}") };
        assert!(text.contains("find out what answers at http://127.0.0.1"), "{text}");
    }
}

#[tokio::test]
async fn all_pages_of_a_bucket_are_read_and_what_is_in_other_folders_is_left_out() {
    let answer = |request: Request<Bytes>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        assert!(query.contains("fields=items(name,size),nextPageToken"), "{query}");
        if query.contains("pageToken=more%2B1") {
            json(200, &json!({"items": [{"name": "vault/b", "size": "2"}]}))
        } else {
            let items = json!([{"name": "vault/a", "size": "1"}, {"name": "vaults", "size": "9"}]);
            json(200, &json!({"items": items, "nextPageToken": "more+1"}))
        }
    };
    let service = Service::serve(answer).await;
    let store = store_at(&Web::new(&service.url).unwrap());
    let listed = snapshots::SnapshotStore::list(&store).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.bytes)).collect();
    assert_eq!(listed, [("a", 1), ("b", 2)]);
}
