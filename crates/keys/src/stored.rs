//! The keys of a cluster, read from its store.

use vaultyard_model::ClusterName;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption, KeyStore, Object, ObjectName};

use crate::envelope::{self, Expected, Header, Keys, OpenError};
use crate::record::{self, Generation, Intent};

/// What a store holds of one cluster.
pub struct Stored {
    /// The highest number of an attempt to initialise; 0 when there was none.
    pub attempts: u32,
    /// The attempts whose intent stands there and can be read.
    pub intents: Vec<Generation>,
    /// The encrypted keys of the latest attempt that brought any, and its number.
    pub keys: Option<(u32, Object)>,
    /// What rekeys have made since, the oldest first.
    pub rekeys: Vec<Rekey>,
}

/// Keys that a rekey has made.
pub struct Rekey {
    /// Its number, from 1 over all attempts.
    pub number: u32,
    /// The encrypted keys.
    pub object: Object,
    /// Whether the store says that they were proven to be the cluster's. When not, nobody knows how the
    /// rekey has ended.
    pub proven: bool,
}

/// How many numbers without an object end the search. One may be missing from a store that
/// somebody has tidied.
const GAP: u32 = 2;

/// Looks through the attempts, upwards from the first.
///
/// # Errors
/// [`CustodyError`] of the store.
pub async fn look(store: &dyn KeyStore) -> Result<Stored, CustodyError> {
    let mut stored =
        Stored { attempts: 0, intents: Vec::new(), keys: None, rekeys: rekeys(store).await? };
    let mut attempt = 1;
    while attempt <= stored.attempts + GAP {
        let intent = store.read(&ObjectName::Intent(attempt)).await?;
        let keys = store.read(&ObjectName::Keys(attempt)).await?;
        if intent.is_some() || keys.is_some() {
            stored.attempts = attempt;
        }
        let intent = intent.and_then(|object| record::read::<Intent>(&object.bytes).ok());
        stored.intents.extend(intent.map(|intent| intent.generation));
        if let Some(object) = keys {
            stored.keys = Some((attempt, object));
        }
        attempt += 1;
    }
    Ok(stored)
}

async fn rekeys(store: &dyn KeyStore) -> Result<Vec<Rekey>, CustodyError> {
    let mut found: Vec<Rekey> = Vec::new();
    let mut number = 1;
    while number <= found.last().map_or(0, |last| last.number) + GAP {
        let object = store.read(&ObjectName::Rekey(number)).await?;
        let proven = store.read(&ObjectName::Rekeyed(number)).await?.is_some();
        match object {
            Some(object) => found.push(Rekey { number, object, proven }),
            // Those before them are not the cluster's any more.
            None if proven => {
                let (lost, proof) = (ObjectName::Rekey(number), ObjectName::Rekeyed(number));
                return Err(CustodyError::Fatal(format!(
                    "{proof} is there and {lost} is not: the keys were lost; bring {lost} back from a backup"
                )));
            }
            None => {}
        }
        number += 1;
    }
    Ok(found)
}

/// Why there are no keys to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The store holds none.
    #[error("{store} holds no keys; the cluster was not initialised yet, or the store was lost")]
    NoKeys {
        /// The store.
        store: String,
    },
    /// The store cannot be read.
    #[error("{store} cannot be read: {error}")]
    Store {
        /// The store.
        store: String,
        /// Why.
        error: CustodyError,
    },
    /// Nobody knows which of the keys count.
    #[error(
        "{store} holds keys of a rekey whose end is not on record; `vaultyard keys rekey` finds out by which \
         keys the servers go, and ends it"
    )]
    Unsettled {
        /// The store.
        store: String,
    },
    /// The keys cannot be opened.
    #[error("{object} in {store}: {error}")]
    Open {
        /// The store.
        store: String,
        /// The object.
        object: ObjectName,
        /// Why.
        error: OpenError,
    },
}

impl LoadError {
    /// Whether it is worth trying again without a change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoKeys { .. } | Self::Unsettled { .. } => false,
            Self::Store { error, .. } => error.is_retryable(),
            Self::Open { error, .. } => error.is_retryable(),
        }
    }
}

/// Reads and decrypts the keys of a cluster that count, as far as the store tells.
///
/// # Errors
/// [`LoadError`], which says what to do.
pub async fn load(
    cluster: &ClusterName,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, LoadError> {
    load_all(cluster, store, encryption).await.map(KeyRing::into_current)
}

/// The same for who must not take others for them.
///
/// # Errors
/// [`LoadError`], which says what to do.
pub async fn load_settled(
    cluster: &ClusterName,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, LoadError> {
    let ring = load_all(cluster, store, encryption).await?;
    if ring.is_unsettled() {
        return Err(LoadError::Unsettled { store: store.describe() });
    }
    Ok(ring.into_current())
}

/// Reads and decrypts all keys that a cluster has and had.
///
/// # Errors
/// [`LoadError`], which says what to do.
pub async fn load_all(
    cluster: &ClusterName,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
) -> Result<KeyRing, LoadError> {
    let stored = look(store).await.map_err(|error| unreadable(store, error))?;
    let ring = stored.open(cluster, &store.describe(), encryption).await?;
    ring.ok_or_else(|| LoadError::NoKeys { store: store.describe() })
}

/// The same for keys that were there before: little but their own object is asked for.
///
/// # Errors
/// [`LoadError`], which says what to do.
pub async fn load_again(
    cluster: &ClusterName,
    known: &Header,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, LoadError> {
    let (attempt, rekey) = (known.generation.attempt, known.rekey);
    let read =
        async |name: &ObjectName| store.read(name).await.map_err(|error| unreadable(store, error));
    for later in 1..=GAP {
        if read(&ObjectName::Rekeyed(rekey.unwrap_or(0) + later)).await?.is_some() {
            return load(cluster, store, encryption).await;
        }
    }
    let name = rekey.map_or(ObjectName::Keys(attempt), ObjectName::Rekey);
    let place = store.describe();
    let object = read(&name).await?.ok_or_else(|| LoadError::NoKeys { store: place.clone() })?;
    envelope::open(&object.bytes, Expected { cluster, attempt, rekey }, encryption)
        .await
        .map_err(|error| LoadError::Open { store: place, object: name, error })
}

fn unreadable(store: &dyn KeyStore, error: CustodyError) -> LoadError {
    LoadError::Store { store: store.describe(), error }
}

impl Stored {
    /// The number of the next rekey.
    pub fn next_rekey(&self) -> u32 {
        self.rekeys.last().map_or(0, |last| last.number) + 1
    }

    /// Decrypts the keys. Those that count must open. Others that never will are left out, which the ring
    /// tells; what may pass is an error. `place` is the store.
    ///
    /// # Errors
    /// [`LoadError::Open`].
    pub async fn open(
        &self,
        cluster: &ClusterName,
        place: &str,
        encryption: &dyn KeyEncryption,
    ) -> Result<Option<KeyRing>, LoadError> {
        let attempt = self.keys.as_ref().map_or(self.attempts, |(attempt, _)| *attempt);
        let rekeys = self.rekeys.iter().rev();
        let rekeys = rekeys.map(|it| (Some(it.number), &it.object, it.proven));
        let first = self.keys.iter().map(|(_, object)| (None, object, true));
        let mut ring = KeyRing { newest_first: Vec::new(), proven: None, unopened: None };
        for (rekey, object, proven) in rekeys.chain(first) {
            match envelope::open(&object.bytes, Expected { cluster, attempt, rekey }, encryption)
                .await
            {
                Ok(keys) => ring.add(keys, proven),
                // A rekey of a cluster that was begun anew since.
                Err(OpenError::OtherAttempt { .. }) if rekey.is_some() => {}
                Err(error) => {
                    let object = rekey.map_or(ObjectName::Keys(attempt), ObjectName::Rekey);
                    let count = proven && ring.proven.is_none();
                    if count || error.is_retryable() {
                        return Err(LoadError::Open { store: place.to_owned(), object, error });
                    }
                    let newer = ring.proven.is_none();
                    ring.unopened
                        .get_or_insert(Unopened { why: format!("{object}: {error}"), newer });
                }
            }
        }
        Ok((!ring.newest_first.is_empty()).then_some(ring))
    }
}

/// All keys that a cluster has and had since it was initialised: those that it was initialised with, and
/// what each rekey has made. A snapshot brings back the data of any of them.
pub struct KeyRing {
    newest_first: Vec<Keys>,
    /// Where the newest are that were proven to be the cluster's.
    proven: Option<usize>,
    /// The newest that are kept and do not open.
    unopened: Option<Unopened>,
}

struct Unopened {
    why: String,
    /// Whether they came after those that count.
    newer: bool,
}

impl KeyRing {
    /// Of a cluster that was never given others.
    pub fn of(keys: Keys) -> Self {
        Self { newest_first: vec![keys], proven: Some(0), unopened: None }
    }

    fn add(&mut self, keys: Keys, proven: bool) {
        if proven && self.proven.is_none() {
            self.proven = Some(self.newest_first.len());
        }
        self.newest_first.push(keys);
    }

    /// Those that count, as far as the store tells.
    pub fn current(&self) -> &Keys {
        &self.newest_first[self.proven.unwrap_or(0)]
    }

    /// Whether a rekey came later whose end is not on record.
    pub fn is_unsettled(&self) -> bool {
        self.proven != Some(0) || self.unopened.as_ref().is_some_and(|unopened| unopened.newer)
    }

    /// Why not all keys are here that are kept. What is refused all of these may be of those.
    pub fn lacks(&self) -> Option<&str> {
        self.unopened.as_ref().map(|unopened| unopened.why.as_str())
    }

    /// All of them, the newest first.
    pub fn newest_first(&self) -> &[Keys] {
        &self.newest_first
    }

    /// Those of this rekey, or those that the cluster was initialised with.
    pub fn of_rekey(&self, rekey: Option<u32>) -> Option<&Keys> {
        self.newest_first.iter().find(|keys| keys.header.rekey == rekey)
    }

    pub(crate) fn into_current(mut self) -> Keys {
        self.newest_first.swap_remove(self.proven.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
