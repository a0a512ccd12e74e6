//! The keys of a cluster, read from its store.

use vaultyard_model::ClusterName;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption, KeyStore, Object, ObjectName};

use crate::envelope::{self, Expected, Keys, OpenError};
use crate::record::{self, Generation, Intent};

/// What a store holds of one cluster.
pub struct Stored {
    /// The highest number of an attempt to initialise; 0 when there was none.
    pub attempts: u32,
    /// The attempts whose intent stands there and can be read.
    pub intents: Vec<Generation>,
    /// The encrypted keys of the latest attempt that brought any, and its number.
    pub keys: Option<(u32, Object)>,
}

/// How many numbers without an object end the search. One may be missing from a store that
/// somebody has tidied.
const GAP: u32 = 2;

/// Looks through the attempts, upwards from the first.
///
/// # Errors
/// [`CustodyError`] of the store.
pub async fn look(store: &dyn KeyStore) -> Result<Stored, CustodyError> {
    let mut stored = Stored { attempts: 0, intents: Vec::new(), keys: None };
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
            Self::NoKeys { .. } => false,
            Self::Store { error, .. } => error.is_retryable(),
            Self::Open { error, .. } => error.is_retryable(),
        }
    }
}

/// Reads and decrypts the keys of a cluster.
///
/// # Errors
/// [`LoadError`], which says what to do.
pub async fn load(
    cluster: &ClusterName,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, LoadError> {
    let place = store.describe();
    let stored =
        look(store).await.map_err(|error| LoadError::Store { store: place.clone(), error })?;
    let Some((attempt, object)) = stored.keys else {
        return Err(LoadError::NoKeys { store: place });
    };
    open(cluster, attempt, &object, place, encryption).await
}

/// The same for keys that were there before: nothing but their own object is asked for.
///
/// # Errors
/// [`LoadError`], which says what to do.
pub async fn load_again(
    cluster: &ClusterName,
    attempt: u32,
    store: &dyn KeyStore,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, LoadError> {
    let place = store.describe();
    let object = store.read(&ObjectName::Keys(attempt)).await;
    match object.map_err(|error| LoadError::Store { store: place.clone(), error })? {
        Some(object) => open(cluster, attempt, &object, place, encryption).await,
        None => Err(LoadError::NoKeys { store: place }),
    }
}

async fn open(
    cluster: &ClusterName,
    attempt: u32,
    object: &Object,
    place: String,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, LoadError> {
    envelope::open(&object.bytes, Expected { cluster, attempt }, encryption)
        .await
        .map_err(|error| LoadError::Open { store: place, object: ObjectName::Keys(attempt), error })
}
