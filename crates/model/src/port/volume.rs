//! The records that the unsealer keeps on a server's own volume, beside the server's data.

use async_trait::async_trait;

use super::custody::CustodyError;

/// One of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// The intent to initialise this server: the same bytes as in the store.
    Intent,
    /// The encrypted answer of `sys/init`, until the store is proven to have it.
    Answer,
    /// Says that the keys of this server's intent are proven to be in the store, and that the
    /// server may have been unsealed since. From here on it may hold data.
    Released,
}

impl Record {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Intent, Self::Answer, Self::Released];

    /// The file name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Intent => "intent.json",
            Self::Answer => "answer.json",
            Self::Released => "released.json",
        }
    }
}

/// The unsealer's records on one server's volume. Survives a wipe of the server's data.
#[async_trait]
pub trait Volume: Send + Sync {
    /// Reads a record; `None` when it is not there.
    ///
    /// # Errors
    /// [`CustodyError`] when it cannot be told.
    async fn read(&self, record: Record) -> Result<Option<Vec<u8>>, CustodyError>;

    /// Writes a record as a whole: to a temporary name, fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// [`CustodyError`]; the record then is what it was before.
    async fn write(&self, record: Record, bytes: &[u8]) -> Result<(), CustodyError>;

    /// Removes a record; nothing happens when it is not there.
    ///
    /// # Errors
    /// [`CustodyError`].
    async fn remove(&self, record: Record) -> Result<(), CustodyError>;
}
