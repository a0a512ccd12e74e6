use proptest::prelude::*;
use vaultyard_testkit::fake_encryption::FakeEncryption;
use vaultyard_testkit::fixed::SeededRandom;

use super::*;
use crate::record::IntentId;

fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).unwrap()
}

fn keys() -> Keys {
    let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
    let created = Timestamp::from_second(1_790_000_000).unwrap();
    let split = Split { kind: KeyKind::Unseal, shares: 5, threshold: 3 };
    let generation = Generation { attempt: 2, intent };
    Keys {
        header: Header::new(&cluster("vault"), generation, created, split, Software::OpenBao),
        shares: (0..5).map(|n| Secret::from(format!("share number {n}"))).collect(),
        root_token: Secret::from("s.root".to_owned()),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn sealed(encryption: &FakeEncryption) -> Vec<u8> {
    run(seal(&keys(), encryption, &SeededRandom::new(2))).unwrap()
}

fn opened(bytes: &[u8], name: &str, attempt: u32) -> Result<Keys, OpenError> {
    let expected = Expected { cluster: &cluster(name), attempt, rekey: None };
    run(open(bytes, expected, &FakeEncryption::default()))
}

#[test]
fn what_is_sealed_is_opened() {
    let bytes = sealed(&FakeEncryption::default());
    assert!(opened(&bytes, "vault", 2).is_ok_and(|found| found.same_as(&keys())));
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("share number") && !text.contains("s.root"));
}

#[test]
fn the_envelope_of_another_cluster_or_attempt_is_refused() {
    let bytes = sealed(&FakeEncryption::default());
    assert!(matches!(opened(&bytes, "other", 2), Err(OpenError::OtherCluster { .. })));
    assert!(matches!(opened(&bytes, "vault", 3), Err(OpenError::OtherAttempt { .. })));
    // Somebody who also changes the header gets no further.
    let text = String::from_utf8(bytes).unwrap();
    let forged = text.replace("\"vault\"", "\"other\"");
    assert!(matches!(opened(forged.as_bytes(), "other", 2), Err(OpenError::Custody(_))));
}

#[test]
fn a_newer_format_is_not_called_damaged() {
    let bytes = sealed(&FakeEncryption::default());
    let text = String::from_utf8(bytes).unwrap().replace("\"format\": 1", "\"format\": 2");
    assert!(matches!(opened(text.as_bytes(), "vault", 2), Err(OpenError::Newer(2))));
}

proptest! {
    #[test]
    fn a_single_changed_byte_is_refused(place: prop::sample::Index, change in 1..=255u8) {
        let mut bytes = sealed(&FakeEncryption::default());
        let at = place.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(opened(&bytes, "vault", 2).is_err(), "byte {at} ^ {change}");
    }

    #[test]
    fn a_part_of_an_envelope_is_refused(length: prop::sample::Index) {
        let bytes = sealed(&FakeEncryption::default());
        let part = &bytes[..length.index(bytes.len())];
        prop_assert!(opened(part, "vault", 2).is_err());
    }
}
