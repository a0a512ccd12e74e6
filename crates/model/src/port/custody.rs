//! Who encrypts the unseal keys, and where they are kept. Shaped by what cloud services offer:
//! every call goes over a network, can fail for a moment or for good, and objects are created
//! only where none is.

use async_trait::async_trait;

use crate::Secret;

/// Why a custody call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustodyError {
    /// It may work when it is tried again: no connection, throttled, a 5xx.
    #[error("{0}")]
    Retryable(String),
    /// It will not work until somebody changes something: no permission, no such key, damaged.
    #[error("{0}")]
    Fatal(String),
}

impl CustodyError {
    /// Whether it is worth trying again without a change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable(_))
    }
}

/// A key-encryption key: a KMS key, an HSM, a file.
#[async_trait]
pub trait KeyEncryption: Send + Sync {
    /// How it is kept, for `status` and `keys`.
    fn describe(&self) -> Custody;

    /// Encrypts a data key (32 bytes). `context` is authenticated, not encrypted, and must be
    /// given again to [`unwrap_key`](Self::unwrap_key).
    ///
    /// # Errors
    /// [`CustodyError`], kinds apart.
    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError>;

    /// Decrypts what [`wrap_key`](Self::wrap_key) gave, also with an older version of the key.
    ///
    /// # Errors
    /// [`CustodyError`]; `Fatal` when the context or the bytes were changed.
    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError>;
}

/// Where the text of a key-encryption key is kept.
#[async_trait]
pub trait KeyText: Send + Sync {
    /// What and where it is, for people.
    fn location(&self) -> String;

    /// The text as it stands there now; `None` when there is none.
    ///
    /// # Errors
    /// [`CustodyError`], kinds apart.
    async fn read(&self) -> Result<Option<Secret>, CustodyError>;
}

/// A data key under a key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key, and which version of it: a KMS resource name, or `local/<fingerprint>`.
    pub key_id: String,
    /// The encrypted data key; its form is the encryption's own.
    pub bytes: Vec<u8>,
}

/// How safe a place for keys is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// What and where, without a secret: `file /…/key-encryption.key`.
    pub location: String,
    /// Whether somebody who copies the disk has both the encrypted keys and what opens them.
    pub key_beside_data: bool,
}

/// A place for small objects that are created once and never overwritten.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// What and where, without a secret.
    fn describe(&self) -> String;

    /// Creates the object, and only where none with this name is. When this returns `Created`,
    /// the object has reached durable storage.
    ///
    /// # Errors
    /// [`CustodyError`]; after `Retryable` the object may or may not be there.
    async fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Create, CustodyError>;

    /// Reads the object; `None` when the store says that there is none.
    ///
    /// # Errors
    /// [`CustodyError`]; an unreadable store is an error, never `None`.
    async fn read(&self, name: &ObjectName) -> Result<Option<Object>, CustodyError>;

    /// Deletes a probe. Nothing else can be deleted through this port.
    ///
    /// # Errors
    /// [`CustodyError`].
    async fn discard_probe(&self, probe: &str) -> Result<(), CustodyError>;
}

/// What became of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Create {
    /// It stands, in this version (an object store's generation; 1 in a folder).
    Created(u64),
    /// Something with this name was there already, and still is.
    Exists,
}

/// An object of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its version.
    pub version: u64,
}

/// The name of an object in a key store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// A probe with a random name, deleted afterwards.
    Probe(String),
    /// The intent of the n-th attempt to initialise, counted from 1.
    Intent(u32),
    /// The encrypted keys that the n-th attempt brought.
    Keys(u32),
    /// The encrypted keys that the n-th rekey made, counted from 1 over all attempts.
    Rekey(u32),
    /// Says that the keys of the n-th rekey were proven to be the cluster's.
    Rekeyed(u32),
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Probe(id) => write!(f, "probe-{id}"),
            Self::Intent(attempt) => write!(f, "intent-{attempt:04}.json"),
            Self::Keys(attempt) => write!(f, "keys-{attempt:04}.json"),
            Self::Rekey(number) => write!(f, "rekey-{number:04}.json"),
            Self::Rekeyed(number) => write!(f, "rekeyed-{number:04}.json"),
        }
    }
}
