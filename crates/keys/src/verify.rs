//! `vaultyard keys verify`: are the keys that unseal this cluster really there?

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use vaultyard_model::ClusterName;
use vaultyard_model::port::custody::{Custody, KeyEncryption, KeyStore, ObjectName};
use zeroize::Zeroizing;

use crate::envelope::{Header, Keys};
use crate::last_unsealed::UnsealLog;
use crate::record::{self, Intent};
use crate::stored::{self, LoadError};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the envelope says of the keys; it was authenticated.
    pub header: Header,
    /// Where the keys are.
    pub store: String,
    /// What encrypts them.
    pub custody: Custody,
    /// On which server, and when, these keys last unsealed one; `None` when that is not on record.
    pub last_unsealed: Option<(String, Timestamp)>,
    /// What is wrong; empty when all is well.
    pub faults: Vec<Fault>,
}

/// Something wrong with keys that could be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not as many shares as the header says.
    #[error("{found} shares are there, and the header says {expected}")]
    Count {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: u8,
    },
    /// Fewer shares than are enough.
    #[error("{found} shares are there, and {threshold} are needed")]
    BelowThreshold {
        /// How many there are.
        found: usize,
        /// How many are needed.
        threshold: u8,
    },
    /// A share that no server takes.
    #[error("share {0} is not a share: it is not base64 of at least 16 bytes")]
    NotAShare(usize),
    /// A share whose length differs from that of the first.
    #[error("share {0} has another length than the first one")]
    Length(usize),
    /// The same share twice.
    #[error("share {0} is the same as one before it")]
    Repeated(usize),
    /// Nobody knows whether these or later ones count.
    #[error(
        "later keys are there, of a rekey whose end is not on record; `vaultyard keys rekey` finds out which \
         count, and ends it"
    )]
    Unsettled,
    /// A server goes by the shares of before.
    #[error(
        "{server} was unsealed with the shares of another rekey at {at}, so its data is of that time; \
         `vaultyard keys rekey` makes shares that count again"
    )]
    OtherShares {
        /// Which.
        server: String,
        /// When.
        at: Timestamp,
    },
    /// The intent of these keys is not in the store.
    #[error("{0} is not in the store; the keys themselves are not affected")]
    NoIntent(ObjectName),
    /// The intent in the store is of another initialisation.
    #[error("{object} in the store does not belong to these keys: {why}")]
    Intent {
        /// Which.
        object: ObjectName,
        /// What differs.
        why: String,
    },
}

/// The shortest share that a server takes, in bytes.
const SHORTEST: usize = 16;

/// Decrypts the keys and checks every share against the record.
///
/// # Errors
/// [`LoadError`] when there are no keys to check.
pub async fn verify(
    cluster: &ClusterName,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
    log: &UnsealLog,
) -> Result<Verified, LoadError> {
    let ring = stored::load_all(cluster, store, encryption).await?;
    let unsettled = ring.is_unsettled().then_some(Fault::Unsettled);
    let keys = ring.into_current();
    let generation = keys.header.generation.clone();
    let object = ObjectName::Intent(generation.attempt);
    let intent = store.read(&object).await.map_err(|error| {
        let store = store.describe();
        LoadError::Store { store, error }
    })?;
    let last = log.last_of(&generation);
    let (last, other): (Option<_>, Option<_>) = match last {
        Some((server, last)) if last.rekey == keys.header.rekey => (Some((server, last.at)), None),
        // One that was down meanwhile is opened by the old ones, and has the data of all in a moment.
        Some((server, last)) if log.all_since(keys.header.created, last.rekey) => {
            (None, Some(Fault::OtherShares { server, at: last.at }))
        }
        _ => (None, None),
    };
    let mut faults = share_faults(&keys);
    faults.extend(unsettled.or(other));
    faults.extend(match intent {
        None => Some(Fault::NoIntent(object)),
        Some(found) => {
            intent_fault(&keys.header, &found.bytes).map(|why| Fault::Intent { object, why })
        }
    });
    Ok(Verified {
        last_unsealed: last,
        header: keys.header,
        store: store.describe(),
        custody: encryption.describe(),
        faults,
    })
}

pub(crate) fn share_faults(keys: &Keys) -> Vec<Fault> {
    let (found, header) = (keys.shares.len(), &keys.header);
    let mut faults = Vec::new();
    if found != usize::from(header.shares) {
        faults.push(Fault::Count { found, expected: header.shares });
    }
    if found < usize::from(header.threshold) {
        faults.push(Fault::BelowThreshold { found, threshold: header.threshold });
    }
    let decode = |share: &vaultyard_model::Secret| {
        STANDARD.decode(share.expose()).map(Zeroizing::new).ok().filter(|b| b.len() >= SHORTEST)
    };
    let shares: Vec<_> = keys.shares.iter().map(decode).collect();
    let length = shares.iter().flatten().map(|bytes| bytes.len()).next();
    let mut seen = BTreeSet::new();
    for (number, share) in (1..).zip(&shares) {
        match share {
            None => faults.push(Fault::NotAShare(number)),
            Some(bytes) if Some(bytes.len()) != length => faults.push(Fault::Length(number)),
            Some(bytes) if !seen.insert(bytes.as_slice()) => faults.push(Fault::Repeated(number)),
            Some(_) => {}
        }
    }
    faults
}

fn intent_fault(header: &Header, bytes: &[u8]) -> Option<String> {
    match record::read::<Intent>(bytes) {
        Err(wrong) => Some(wrong.to_string()),
        Ok(intent) if intent.generation != header.generation => {
            Some(format!("it is of {}", intent.generation))
        }
        Ok(intent) if intent.cluster != header.cluster => {
            Some(format!("it is of the cluster {:?}", intent.cluster))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::port::custody::CustodyError;
    use vaultyard_model::port::server::KeyKind;
    use vaultyard_model::{Secret, Software};
    use vaultyard_testkit::fake_encryption::FakeEncryption;
    use vaultyard_testkit::fake_store::FakeStore;
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;
    use crate::envelope::{Split, seal};
    use crate::record::{Generation, IntentId};

    fn cluster() -> ClusterName {
        ClusterName::new("vault").unwrap()
    }

    fn share(number: u8) -> Secret {
        Secret::from(STANDARD.encode([number; 33]))
    }

    async fn check(change: impl FnOnce(&mut Vec<Secret>)) -> Vec<Fault> {
        let random = SeededRandom::new(1);
        let (store, encryption) = (FakeStore::default(), FakeEncryption::default());
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let generation = Generation { attempt: 1, intent: IntentId::random(&random).unwrap() };
        let intent = Intent::new(generation.clone(), &cluster(), &cluster().server(0), now);
        store.create(&ObjectName::Intent(1), &record::write(&intent).unwrap()).await.unwrap();
        let split = Split { kind: KeyKind::Unseal, shares: 5, threshold: 3 };
        let header = Header::new(&cluster(), generation, now, split, Software::OpenBao);
        let mut shares: Vec<_> = (1..=5).map(share).collect();
        change(&mut shares);
        let keys = Keys { header, shares, root_token: Secret::from("s.root".to_owned()) };
        let bytes = seal(&keys, &encryption, &random).await.unwrap();
        store.create(&ObjectName::Keys(1), &bytes).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = UnsealLog::new(folder.path().join("last-unsealed.json"));
        verify(&cluster(), &store, &encryption, &log).await.unwrap().faults
    }

    #[tokio::test]
    async fn good_keys_have_no_fault() {
        assert_eq!(check(|_| {}).await, []);
    }

    #[tokio::test]
    async fn each_fault_of_a_share_is_named() {
        let missing = check(|shares| drop(shares.pop())).await;
        assert_eq!(missing, [Fault::Count { found: 4, expected: 5 }]);
        assert_eq!(check(|shares| shares[3] = share(1)).await, [Fault::Repeated(4)]);
        let short = check(|shares| shares[1] = Secret::from("AAAA".to_owned())).await;
        assert_eq!(short, [Fault::NotAShare(2)]);
        let other = check(|shares| shares[4] = Secret::from(STANDARD.encode([9; 32]))).await;
        assert_eq!(other, [Fault::Length(5)]);
    }

    #[tokio::test]
    async fn without_keys_it_is_said_that_there_are_none() {
        let (store, encryption) = (FakeStore::default(), FakeEncryption::default());
        let folder = tempfile::tempdir().unwrap();
        let log = UnsealLog::new(folder.path().join("last-unsealed.json"));
        let none = verify(&cluster(), &store, &encryption, &log).await;
        assert!(matches!(none, Err(LoadError::NoKeys { .. })));
        store.fail(Some(CustodyError::Retryable("no connection".to_owned())));
        let unreadable = verify(&cluster(), &store, &encryption, &log).await;
        assert!(matches!(unreadable, Err(LoadError::Store { .. })));
    }
}
