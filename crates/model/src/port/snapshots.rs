//! Where snapshots are kept when that is no folder of ours. Shaped by what object stores offer: objects
//! are created only where none is, and are sent and read piece by piece, since one has gigabytes.

use std::io;

use async_trait::async_trait;

use super::custody::CustodyError;

/// The size of a piece, in bytes: of an object that is sent, all but the last one are as large. Both S3 (at
/// least 5 MiB) and Cloud Storage (a multiple of 256 KiB) take it.
pub const PIECE: usize = 8 * 1024 * 1024;

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Its name within the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What an object is made of.
#[async_trait]
pub trait Pieces: Send {
    /// Of how many bytes, all pieces together.
    fn length(&self) -> u64;

    /// The next piece, of [`PIECE`] bytes unless it is the last; `None` after that.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>>;
}

/// A place for snapshots. Names are letters, digits, `-` and `.`.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// What and where, without a secret.
    fn describe(&self) -> String;

    /// All objects that are there.
    ///
    /// # Errors
    /// [`CustodyError`]; a store that is not there is an error, never an empty one.
    async fn list(&self) -> Result<Vec<Stored>, CustodyError>;

    /// At most `length` bytes of an object, from this one on; none from its end on. `None` when the store
    /// says that there is no such object.
    ///
    /// # Errors
    /// [`CustodyError`], kinds apart.
    async fn read(
        &self,
        name: &str,
        from: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, CustodyError>;

    /// Creates an object, and only where none with this name is; whether none was. When this returns true,
    /// all of it has reached durable storage.
    ///
    /// # Errors
    /// [`CustodyError`]; after `Retryable` the object may or may not be there, but never a part of it.
    async fn create(&self, name: &str, pieces: &mut dyn Pieces) -> Result<bool, CustodyError>;

    /// Removes an object. One that is not there is no error.
    ///
    /// # Errors
    /// [`CustodyError`], kinds apart.
    async fn remove(&self, name: &str) -> Result<(), CustodyError>;
}
