//! Keys that another program has made, kept as if they had been made here.
//!
//! Nothing of the other program is touched. Store and encryption prove themselves before, and what
//! was written is read back and opened after, as for keys of one's own. Whether the shares unseal
//! anything only a server can say.

use jiff::Timestamp;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{Create, CustodyError, KeyEncryption, KeyStore, ObjectName};
use vaultyard_model::port::server::KeyKind;
use vaultyard_model::{ClusterName, Secret, Software};

use crate::envelope::{self, Expected, Header, Keys, OpenError, SealError, Split};
use crate::record::{self, Generation, Intent, IntentId};
use crate::verify::{self, Fault};
use crate::{probe, stored};

/// What is taken over.
pub struct Left {
    /// Whose keys these are.
    pub cluster: ClusterName,
    /// Which software made them.
    pub software: Software,
    /// How many shares unseal a server. Nobody has noted it but the servers.
    pub threshold: u8,
    /// All shares, base64.
    pub shares: Vec<Secret>,
    /// The first root token. It may have been revoked since.
    pub root_token: Secret,
}

/// Why nothing was taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeOverError {
    /// The shares cannot be those of a cluster.
    #[error("these are not the shares of a cluster: {0}")]
    Shares(Fault),
    /// More shares than there can be.
    #[error("there are {0} shares, and a cluster has 255 at most")]
    TooMany(usize),
    /// There are records already, which nothing may be put beside.
    #[error(
        "{store} holds records of this cluster already; keys are taken over into an empty place \
         alone: name another prefix in the document, or use what is there"
    )]
    NotEmpty {
        /// The store.
        store: String,
    },
    /// Store or encryption does not do its part.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The keys cannot be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What was written cannot be opened.
    #[error("{object} in {store} {error}")]
    Open {
        /// The object.
        object: ObjectName,
        /// The store.
        store: String,
        /// Why.
        error: OpenError,
    },
    /// What was written is not what stands there.
    #[error("{store} does not give {object} back as it was written; use another store")]
    Lost {
        /// The object.
        object: ObjectName,
        /// The store.
        store: String,
    },
    /// The operating system gives no randomness.
    #[error("no randomness: {0}")]
    Random(String),
}

/// Writes the keys into a store that has none. Returns what was noted of them.
///
/// # Errors
/// [`TakeOverError`]. What was read is still where it was.
pub async fn take_over(
    left: Left,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Header, TakeOverError> {
    let Left { cluster, software, threshold, shares, root_token } = left;
    let count = u8::try_from(shares.len()).map_err(|_| TakeOverError::TooMany(shares.len()))?;
    let intent = IntentId::random(random).map_err(TakeOverError::Random)?;
    let generation = Generation { attempt: 1, intent };
    let split = Split { kind: KeyKind::Unseal, shares: count, threshold };
    let header = Header::new(&cluster, generation.clone(), now, split, software);
    let keys = Keys { header, shares, root_token };
    if let Some(fault) = verify::share_faults(&keys).into_iter().next() {
        return Err(TakeOverError::Shares(fault));
    }
    if stored::look(store).await?.attempts > 0 {
        return Err(TakeOverError::NotEmpty { store: store.describe() });
    }
    probe::encryption(encryption, random).await?;
    probe::store(store, random).await?;

    let sealed = envelope::seal(&keys, encryption, random).await?;
    let intent = Intent::new(generation, &cluster, &cluster.server(0), now);
    let intent = record::write(&intent).map_err(|_| SealError::Refused)?;
    // The keys come last: who is cut off between the two has taken nothing over.
    put(store, ObjectName::Intent(1), &intent).await?;
    let stands = put(store, ObjectName::Keys(1), &sealed).await?;
    let failed = |error| {
        let (object, store) = (ObjectName::Keys(1), store.describe());
        TakeOverError::Open { object, store, error }
    };
    let expected = Expected { cluster: &cluster, attempt: 1, rekey: None };
    let opened = envelope::open(&stands, expected, encryption).await.map_err(failed)?;
    if opened.same_as(&keys) { Ok(keys.header) } else { Err(failed(OpenError::Changed)) }
}

/// Creates an object, and gives back what then stands there.
async fn put(
    store: &dyn KeyStore,
    object: ObjectName,
    bytes: &[u8],
) -> Result<Vec<u8>, TakeOverError> {
    let place = || store.describe();
    if store.create(&object, bytes).await? == Create::Exists {
        return Err(TakeOverError::NotEmpty { store: place() });
    }
    match store.read(&object).await? {
        Some(stands) if stands.bytes == bytes => Ok(stands.bytes),
        _ => Err(TakeOverError::Lost { store: place(), object }),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use vaultyard_testkit::fake_encryption::FakeEncryption;
    use vaultyard_testkit::fake_store::{FakeStore, Lie};
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;

    fn left(threshold: u8) -> Left {
        Left {
            cluster: ClusterName::new("vault").unwrap(),
            software: Software::OpenBao,
            threshold,
            shares: (1..=5).map(|n| Secret::from(STANDARD.encode([n; 33]))).collect(),
            root_token: Secret::from("s.root".to_owned()),
        }
    }

    async fn taken(left: Left, store: &FakeStore) -> Result<Header, TakeOverError> {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let encryption = FakeEncryption::default();
        take_over(left, store, &encryption, &SeededRandom::new(1), now).await
    }

    #[tokio::test]
    async fn keys_that_were_taken_over_are_like_keys_of_ones_own() {
        let store = FakeStore::default();
        let header = taken(left(3), &store).await.unwrap();
        assert_eq!((header.shares, header.threshold), (5, 3));
        assert_eq!(store.names(), [ObjectName::Intent(1), ObjectName::Keys(1)]);
        let folder = tempfile::tempdir().unwrap();
        let log = crate::last_unsealed::UnsealLog::new(folder.path().join("log"));
        let cluster = ClusterName::new("vault").unwrap();
        let verified = verify::verify(&cluster, &store, &FakeEncryption::default(), &log).await;
        assert_eq!(verified.unwrap().faults, []);
    }

    #[tokio::test]
    async fn nothing_is_put_beside_records_that_are_there() {
        let store = FakeStore::default();
        store.create(&ObjectName::Intent(1), b"of somebody").await.unwrap();
        let refused = taken(left(3), &store).await;
        assert!(matches!(refused, Err(TakeOverError::NotEmpty { .. })), "{refused:?}");
        assert_eq!(store.names(), [ObjectName::Intent(1)]);
    }

    #[tokio::test]
    async fn what_cannot_be_right_is_not_written() {
        let store = FakeStore::default();
        let below = taken(left(6), &store).await;
        let fault = Fault::BelowThreshold { found: 5, threshold: 6 };
        assert_eq!(below, Err(TakeOverError::Shares(fault)));
        let mut twice = left(3);
        twice.shares[4] = Secret::from(STANDARD.encode([1; 33]));
        let twice = taken(twice, &store).await;
        assert_eq!(twice, Err(TakeOverError::Shares(Fault::Repeated(5))));
        store.lie(Some(Lie::Overwrites));
        let lies = taken(left(3), &store).await;
        assert!(matches!(lies, Err(TakeOverError::Custody(_))), "{lies:?}");
        assert!(!store.names().contains(&ObjectName::Keys(1)));
    }
}
