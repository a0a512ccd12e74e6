use jiff::Timestamp;
use vaultyard_model::port::server::KeyKind;
use vaultyard_model::{Secret, Software};
use vaultyard_testkit::fake_encryption::FakeEncryption;
use vaultyard_testkit::fake_store::FakeStore;
use vaultyard_testkit::fixed::SeededRandom;

use super::*;
use crate::envelope::{Split, seal};
use crate::record::{IntentId, Released};

struct Place {
    cluster: ClusterName,
    store: FakeStore,
    encryption: FakeEncryption,
    random: SeededRandom,
}

impl Place {
    /// With the keys of a first attempt.
    async fn initialised() -> Self {
        let place = Self {
            cluster: ClusterName::new("vault").unwrap(),
            store: FakeStore::default(),
            encryption: FakeEncryption::default(),
            random: SeededRandom::new(1),
        };
        place.keep(&ObjectName::Keys(1), 1, None).await;
        place
    }

    async fn keep(&self, object: &ObjectName, attempt: u32, rekey: Option<u32>) {
        let generation =
            Generation { attempt, intent: IntentId::random(&SeededRandom::new(1)).unwrap() };
        let split = Split { kind: KeyKind::Unseal, shares: 3, threshold: 2 };
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let first = Header::new(&self.cluster, generation, now, split, Software::OpenBao);
        let header = rekey.map_or(first.clone(), |number| first.after_rekey(number, split, now));
        let shares = vec![Secret::from("share".to_owned())];
        let keys = Keys { header, shares, root_token: Secret::from("s.root".to_owned()) };
        let bytes = seal(&keys, &self.encryption, &self.random).await.unwrap();
        self.store.create(object, &bytes).await.unwrap();
    }

    async fn rekey(&self, number: u32) {
        self.keep(&ObjectName::Rekey(number), 1, Some(number)).await;
    }

    async fn prove(&self, number: u32) {
        let generation = self.ring().await.current().header.generation.clone();
        let released = Released::new(generation, Timestamp::UNIX_EPOCH);
        let bytes = record::write(&released).unwrap();
        self.store.create(&ObjectName::Rekeyed(number), &bytes).await.unwrap();
    }

    async fn ring(&self) -> KeyRing {
        load_all(&self.cluster, &self.store, &self.encryption).await.ok().unwrap()
    }
}

fn rekeys(ring: &KeyRing) -> Vec<Option<u32>> {
    ring.newest_first().iter().map(|keys| keys.header.rekey).collect()
}

#[tokio::test]
async fn keys_of_a_rekey_count_once_they_are_proven_and_all_are_kept() {
    let place = Place::initialised().await;
    assert_eq!(rekeys(&place.ring().await), [None]);
    place.rekey(1).await;
    let ring = place.ring().await;
    assert_eq!((ring.current().header.rekey, ring.is_unsettled()), (None, true));
    assert_eq!(rekeys(&ring), [Some(1), None]);
    let settled = load_settled(&place.cluster, &place.store, &place.encryption).await;
    assert!(matches!(settled, Err(LoadError::Unsettled { .. })));
    place.prove(1).await;
    let ring = place.ring().await;
    assert_eq!((ring.current().header.rekey, ring.is_unsettled()), (Some(1), false));
    assert_eq!(rekeys(&ring), [Some(1), None]);
}

#[tokio::test]
async fn a_rekey_that_came_to_nothing_is_passed_by_the_next() {
    let place = Place::initialised().await;
    place.rekey(1).await;
    place.rekey(2).await;
    place.prove(2).await;
    let ring = place.ring().await;
    assert_eq!((ring.current().header.rekey, ring.is_unsettled()), (Some(2), false));
    assert_eq!(rekeys(&ring), [Some(2), Some(1), None]);
    assert!(ring.of_rekey(None).is_some() && ring.of_rekey(Some(3)).is_none());
}

#[tokio::test]
async fn keys_that_count_must_open_and_others_need_not() {
    let place = Place::initialised().await;
    place.store.create(&ObjectName::Rekey(1), b"{\"format\": 1}").await.unwrap();
    let ring = place.ring().await;
    assert_eq!(rekeys(&ring), [None]);
    assert!(ring.is_unsettled() && ring.lacks().is_some_and(|why| why.contains("rekey-0001")));
    place.prove(1).await;
    let broken = load_all(&place.cluster, &place.store, &place.encryption).await;
    let expected = ObjectName::Rekey(1);
    assert!(matches!(broken, Err(LoadError::Open { object, .. }) if object == expected));
}

#[tokio::test]
async fn keys_that_may_open_in_a_moment_are_waited_for() {
    let place = Place::initialised().await;
    place.rekey(1).await;
    place.prove(1).await;
    place.encryption.fail(Some(CustodyError::Retryable("throttled".to_owned())));
    let late = load_all(&place.cluster, &place.store, &place.encryption).await;
    assert!(late.is_err_and(|error| error.is_retryable()));
}

#[tokio::test]
async fn proven_keys_that_are_gone_are_not_taken_for_ones_that_never_were() {
    let place = Place::initialised().await;
    place.prove(1).await;
    let lost = load_all(&place.cluster, &place.store, &place.encryption).await;
    let Err(LoadError::Store { error, .. }) = lost else { panic!("they are gone") };
    assert!(!error.is_retryable() && error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn the_rekey_of_an_attempt_that_was_begun_anew_is_none_of_the_next() {
    let place = Place::initialised().await;
    place.rekey(1).await;
    place.prove(1).await;
    place.keep(&ObjectName::Keys(2), 2, None).await;
    let ring = place.ring().await;
    assert_eq!((rekeys(&ring), ring.is_unsettled()), (vec![None], false));
    assert_eq!(ring.current().header.generation.attempt, 2);
}

#[tokio::test]
async fn a_look_again_sees_a_rekey() {
    let place = Place::initialised().await;
    let known = place.ring().await.current().header.clone();
    let again = || load_again(&place.cluster, &known, &place.store, &place.encryption);
    assert_eq!(again().await.ok().unwrap().header, known);
    // One that came to nothing, and the next.
    place.rekey(1).await;
    place.rekey(2).await;
    place.prove(2).await;
    assert_eq!(again().await.ok().unwrap().header.rekey, Some(2));
}
