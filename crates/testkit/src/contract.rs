//! What every implementation of a port must keep. Each function panics where it is broken.

use async_trait::async_trait;
use vaultyard_model::Secret;
use vaultyard_model::port::custody::{
    Create, CustodyError, KeyEncryption, KeyStore, ObjectName, WrappedKey,
};
use vaultyard_model::port::snapshots::{PIECE, Pieces, SnapshotStore, Stored};
use vaultyard_model::port::volume::{Record, Volume};

/// The contract of a [`KeyStore`]. The store must be empty, and is not afterwards.
///
/// # Panics
/// Where the contract is broken.
pub async fn key_store(store: &dyn KeyStore) {
    let names =
        [ObjectName::Intent(1), ObjectName::Keys(1), ObjectName::Probe("contract".to_owned())];
    for name in &names {
        assert_eq!(store.read(name).await, Ok(None), "{name} in an empty store");
        let created = store.create(name, b"first").await;
        let Ok(Create::Created(version)) = created else { panic!("{name}: {created:?}") };
        let again = store.create(name, b"second").await;
        assert_eq!(again, Ok(Create::Exists), "{name} must not be replaced");
        let read = store.read(name).await;
        let Ok(Some(object)) = read else { panic!("{name}: {read:?}") };
        assert_eq!((object.bytes.as_slice(), object.version), (b"first".as_slice(), version));
    }
    assert_eq!(store.read(&ObjectName::Keys(2)).await, Ok(None), "names are told apart");
    for _ in 0..2 {
        assert_eq!(store.discard_probe("contract").await, Ok(()), "discarding can be repeated");
    }
    assert_eq!(store.read(&ObjectName::Probe("contract".to_owned())).await, Ok(None));
    assert!(matches!(store.read(&ObjectName::Keys(1)).await, Ok(Some(_))), "only the probe goes");
    let large = vec![7; 64 * 1024];
    assert!(matches!(store.create(&ObjectName::Keys(9), &large).await, Ok(Create::Created(_))));
    let read = store.read(&ObjectName::Keys(9)).await;
    assert_eq!(read.map(|object| object.map(|object| object.bytes)), Ok(Some(large)));
}

/// The contract of a [`SnapshotStore`]. It must be empty, and is so afterwards.
///
/// # Panics
/// Where the contract is broken.
pub async fn snapshot_store(store: &dyn SnapshotStore) {
    assert_eq!(store.list().await, Ok(Vec::new()), "it is empty");
    assert_eq!(store.read("one.snapshot", 0, 1).await, Ok(None));
    let sizes = [("one.snapshot", 5), ("two.snapshot", PIECE), ("three.proven", PIECE + 7)];
    for (name, length) in sizes {
        let created = store.create(name, &mut Made::new(1, length)).await;
        assert_eq!(created, Ok(true), "{name}");
        let again = store.create(name, &mut Made::new(2, length)).await;
        assert_eq!(again, Ok(false), "{name} must not be replaced");
    }
    let mut all = store.list().await.unwrap_or_default();
    all.sort();
    let stored = |name: &str, bytes| Stored { name: name.to_owned(), bytes };
    let expected = [
        stored("one.snapshot", 5),
        stored("three.proven", PIECE as u64 + 7),
        stored("two.snapshot", PIECE as u64),
    ];
    assert_eq!(all, expected);
    for (name, length) in sizes {
        let (mut read, step) = (Vec::new(), PIECE - 1);
        while let Ok(Some(piece)) = store.read(name, read.len() as u64, step).await {
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() <= step, "{name}: more than was asked for");
            read.extend(piece);
        }
        assert!(read == Made::new(1, length).bytes, "{name}: {} bytes came back", read.len());
    }
    for (name, _) in sizes {
        for _ in 0..2 {
            assert_eq!(store.remove(name).await, Ok(()), "removing can be repeated");
        }
        assert_eq!(store.read(name, 0, 1).await, Ok(None), "{name}");
    }
    assert_eq!(store.list().await, Ok(Vec::new()));
}

/// Bytes by which pieces are told apart.
struct Made {
    bytes: Vec<u8>,
    at: usize,
}

impl Made {
    fn new(seed: usize, length: usize) -> Self {
        // Lines of different lengths, so that no piece is like another.
        let line = |number: usize| vec![(seed + number) as u8; 1000 + number % 100];
        let lines = (0..).map(line).take(length.div_ceil(1000));
        let mut bytes = lines.collect::<Vec<_>>().concat();
        bytes.truncate(length);
        Self { bytes, at: 0 }
    }
}

#[async_trait]
impl Pieces for Made {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let piece = self.bytes[self.at..].chunks(PIECE).next().map(<[u8]>::to_vec);
        self.at += piece.as_ref().map_or(0, Vec::len);
        Ok(piece)
    }
}

/// The contract of a [`Volume`]. It must be empty, and is so afterwards.
///
/// # Panics
/// Where the contract is broken.
pub async fn volume(volume: &dyn Volume) {
    for record in Record::ALL {
        assert_eq!(volume.read(record).await, Ok(None), "{record:?} of an empty volume");
        assert_eq!(volume.write(record, b"first").await, Ok(()));
        assert_eq!(volume.write(record, b"second").await, Ok(()), "records are replaced");
        assert_eq!(volume.read(record).await, Ok(Some(b"second".to_vec())));
    }
    for record in Record::ALL {
        for _ in 0..2 {
            assert_eq!(volume.remove(record).await, Ok(()), "removing can be repeated");
        }
        assert_eq!(volume.read(record).await, Ok(None));
    }
}

/// The contract of a [`KeyEncryption`].
///
/// # Panics
/// Where the contract is broken.
pub async fn key_encryption(encryption: &dyn KeyEncryption) {
    let key = Secret::new((0..32).collect());
    let Ok(wrapped) = encryption.wrap_key(&key, b"context").await else {
        panic!("a key must be wrapped");
    };
    assert!(!wrapped.key_id.is_empty(), "which key it was is told");
    let unwrapped = encryption.unwrap_key(&wrapped, b"context").await;
    assert!(unwrapped.is_ok_and(|found| found.same_as(&key)), "the key comes back");
    let refused = |result: Result<Secret, CustodyError>, what: &str| {
        assert!(matches!(result, Err(CustodyError::Fatal(_))), "{what} must be refused for good");
    };
    refused(encryption.unwrap_key(&wrapped, b"other").await, "another context");
    for at in 0..wrapped.bytes.len() {
        let mut changed = wrapped.clone();
        changed.bytes[at] ^= 1;
        refused(encryption.unwrap_key(&changed, b"context").await, "a changed byte");
    }
    let half = wrapped.bytes[..wrapped.bytes.len() / 2].to_vec();
    let half = WrappedKey { key_id: wrapped.key_id.clone(), bytes: half };
    refused(encryption.unwrap_key(&half, b"context").await, "half a key");
    let other = WrappedKey { key_id: "no-such-key".to_owned(), bytes: wrapped.bytes };
    refused(encryption.unwrap_key(&other, b"context").await, "another key");
}

#[cfg(test)]
mod tests {
    use crate::fake_encryption::FakeEncryption;
    use crate::fake_snapshots::FakeSnapshots;
    use crate::fake_store::FakeStore;
    use crate::fake_volume::FakeVolume;

    #[tokio::test]
    async fn the_fakes_keep_the_contracts() {
        super::key_store(&FakeStore::default()).await;
        super::snapshot_store(&FakeSnapshots::default()).await;
        super::volume(&FakeVolume::default()).await;
        super::key_encryption(&FakeEncryption::default()).await;
    }
}
