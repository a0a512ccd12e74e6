use std::time::Duration;

use serde_json::json;
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, ObjectName};
use vaultyard_target_kubernetes::secret_map::{SecretMap, SecretMapError};
use vaultyard_target_kubernetes::secret_text::{SecretText, TextError};
use vaultyard_target_kubernetes::{SecretData, SecretStore};
use zeroize::Zeroizing;

use crate::place::{Place, in_a_place, random, within};

fn store(place: &Place) -> SecretStore {
    SecretStore::new(place.api.clone(), place.names.clone(), random())
}

#[tokio::test]
async fn secrets_keep_the_contract_of_a_key_store() {
    in_a_place(async |place| {
        vaultyard_testkit::contract::key_store(&store(&place)).await;
        let kept = place.api.get(&place.secret(&place.names.keys(1))).await.unwrap().unwrap();
        assert_eq!(kept["immutable"], true);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_create_one_object_one_does() {
    in_a_place(async |place| {
        let name = ObjectName::Intent(1);
        let tries = (0..8_u8).map(|id| {
            let (store, name) = (store(&place), name.clone());
            async move { (id, store.create(&name, &[id]).await.unwrap()) }
        });
        let done = futures_util::future::join_all(tries).await;
        let mut created = done.iter().filter(|(_, outcome)| *outcome != Create::Exists);
        let (winner, _) = created.next().unwrap();
        assert!(created.next().is_none(), "{done:?}");
        let kept = store(&place).read(&name).await.unwrap().unwrap();
        assert_eq!(kept.bytes, [*winner]);
        let again = store(&place).create(&name, &[*winner]).await;
        assert_eq!(again, Ok(Create::Exists), "the same bytes are no new object either");
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_was_left_behind_is_cleared_away() {
    in_a_place(async |place| {
        let (one, two) = (ObjectName::Probe("one".to_owned()), ObjectName::Probe("two".to_owned()));
        let store = store(&place);
        assert!(matches!(store.create(&one, b"1").await, Ok(Create::Created(_))));
        assert_eq!(store.read(&two).await, Ok(None));
        store.discard_probe("two").await.unwrap();
        assert!(store.read(&one).await.unwrap().is_some(), "only the probe that is named goes");
        assert!(matches!(store.create(&two, b"2").await, Ok(Create::Created(_))));
        assert_eq!(store.read(&one).await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_somebody_else_made_is_neither_changed_nor_believed() {
    in_a_place(async |place| {
        let object = place.secret(&place.names.keys(1));
        let before = place.put(&object, json!({"stringData": {"other": "x"}})).await;
        let store = store(&place);
        assert_eq!(store.create(&ObjectName::Keys(1), b"keys").await, Ok(Create::Exists));
        assert_eq!(place.api.get(&object).await.unwrap(), Some(before));
        assert!(matches!(store.read(&ObjectName::Keys(1)).await, Err(CustodyError::Fatal(_))));
    })
    .await;
}

#[tokio::test]
async fn attempts_without_a_name_hold_nothing_and_take_nothing() {
    in_a_place(async |place| {
        let store = store(&place);
        assert!(matches!(
            store.create(&ObjectName::Intent(32), b"x").await,
            Ok(Create::Created(_))
        ));
        assert_eq!(store.read(&ObjectName::Intent(33)).await, Ok(None));
        let refused = store.create(&ObjectName::Intent(33), b"x").await;
        assert!(matches!(refused, Err(CustodyError::Fatal(_))));
    })
    .await;
}

#[tokio::test]
async fn a_map_of_somebody_else_is_not_read() {
    in_a_place(async |place| {
        let (api, object) = (place.api.clone(), place.secret("theirs"));
        let _ = place.put(&object, json!({"stringData": {"tls.crt": "x"}})).await;
        let map = SecretMap::new(api, object, place.labels(), "Opaque", "vaultyard-test", random());
        assert!(matches!(map.read().await, Err(SecretMapError::Foreign { .. })));
    })
    .await;
}

fn data(pairs: &[(&str, &str)]) -> SecretData {
    let pair = |(key, value): &(&str, &str)| {
        ((*key).to_owned(), Zeroizing::new(value.as_bytes().to_vec()))
    };
    pairs.iter().map(pair).collect()
}

#[tokio::test]
async fn a_map_is_written_only_over_what_was_read() {
    in_a_place(async |place| {
        let object = place.secret("a");
        let map = |api| {
            SecretMap::new(
                api,
                object.clone(),
                place.labels(),
                "Opaque",
                "vaultyard-test",
                random(),
            )
        };
        let (one, two) = (map(place.api.clone()), map(place.api.clone()));
        assert!(one.read().await.unwrap().is_none());
        let first = one.write(None, &data(&[("x", "1"), ("y", "1")])).await.unwrap();
        let late = two.write(None, &data(&[("x", "2")])).await;
        assert!(matches!(late, Err(SecretMapError::Changed { .. })), "one was there already");
        let seen = two.read().await.unwrap().unwrap();
        assert!(seen.data == data(&[("x", "1"), ("y", "1")]));
        let second = one.write(Some(&first), &data(&[("x", "3")])).await.unwrap();
        assert!(second.data == data(&[("x", "3")]));
        let late = two.write(Some(&seen), &data(&[("x", "2")])).await;
        assert!(matches!(late, Err(SecretMapError::Changed { .. })));
        assert!(one.read().await.unwrap().unwrap().data == data(&[("x", "3")]));
        one.write(Some(&second), &data(&[("x", "4")])).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_text_is_made_once_whoever_asks() {
    in_a_place(async |place| {
        let object = place.secret(&place.names.key_encryption());
        let text = || SecretText::new(place.api.clone(), object.clone(), place.labels(), random());
        assert!(text().text().await.unwrap().is_none());
        let tries =
            ["one", "two", "three"].map(|words| {
                let text = text();
                async move {
                    text.open_or_create(|| Ok(Zeroizing::new(words.to_owned()))).await.unwrap()
                }
            });
        let found = within(Duration::from_secs(20), futures_util::future::join_all(tries)).await;
        assert!(found.iter().all(|text| *text == found[0]));
        let again = text().open_or_create(|| Err("it is there".to_owned())).await.unwrap();
        assert!(again == found[0]);
    })
    .await;
}

#[tokio::test]
async fn a_secret_without_its_text_gets_no_new_one() {
    in_a_place(async |place| {
        let object = place.secret("a");
        place.put(&object, json!({"stringData": {"other": "x"}})).await;
        let text = SecretText::new(place.api.clone(), object, place.labels(), random());
        let made = text.open_or_create(|| Ok(Zeroizing::new("new".to_owned()))).await;
        assert!(matches!(made, Err(TextError::Damaged { .. })));
    })
    .await;
}
