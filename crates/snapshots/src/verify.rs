//! Whether a snapshot that was kept is still whole, and opens.

use std::fs::File;
use std::io::{self, BufReader};

use tokio::task::spawn_blocking;
use vaultyard_keys::record::Generation;
use vaultyard_model::ClusterName;
use vaultyard_model::port::custody::KeyEncryption;

use crate::archive::{self, ArchiveError, Meta};
use crate::file::{self, FileError, Header, Unlocked};
use crate::folder::Name;
use crate::shelf::{Shelf, ShelfError};

/// A snapshot of which every byte was read.
#[derive(Debug)]
pub struct Verified {
    /// What it is, proven.
    pub header: Header,
    /// Up to where it goes.
    pub meta: Meta,
}

/// Why a snapshot could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is none of this name.
    #[error("there is no snapshot {name} in {place}")]
    Missing {
        /// Which.
        name: Name,
        /// Where.
        place: String,
    },
    /// It cannot be had.
    #[error("the snapshot {name} cannot be read from {why}")]
    Unread {
        /// Which.
        name: Name,
        /// Why.
        why: ShelfError,
    },
    /// The file is not what was written.
    #[error("the snapshot {name} {why}")]
    File {
        /// Which.
        name: Name,
        /// Why.
        why: FileError,
    },
    /// The archive in it is not whole.
    #[error("the snapshot {name} {why}")]
    Archive {
        /// Which.
        name: Name,
        /// Why.
        why: ArchiveError,
    },
    /// It is of another cluster.
    #[error("the snapshot {name} is of the cluster {found:?}, not of {expected}")]
    OtherCluster {
        /// Which.
        name: Name,
        /// Whose data it is.
        found: String,
        /// Whose was asked for.
        expected: ClusterName,
    },
    /// No server that is restored from it could be unsealed with the keys that are kept.
    #[error(
        "the snapshot {name} belongs to the keys of {found}, and the store holds those of {stored}; \
         bring these back from a backup of the store"
    )]
    OtherKeys {
        /// Which.
        name: Name,
        /// Which keys open a server that was restored from it.
        found: Generation,
        /// Which keys there are.
        stored: Generation,
    },
}

/// A snapshot of this cluster, under the keys that it has, ready to be decrypted.
///
/// # Errors
/// [`VerifyError`].
pub async fn unlock(
    shelf: &Shelf,
    name: &Name,
    cluster: &ClusterName,
    keys: &Generation,
    encryption: &dyn KeyEncryption,
) -> Result<(Header, Unlocked<BufReader<File>>), VerifyError> {
    let of_file = |why| VerifyError::File { name: name.clone(), why };
    let found = shelf.read(name).await;
    let found = found.map_err(|why| VerifyError::Unread { name: name.clone(), why })?;
    let found = found
        .ok_or_else(|| VerifyError::Missing { name: name.clone(), place: shelf.describe() })?;
    let opened = file::open(found).map_err(of_file)?;
    // It is unproven yet. What is wrong here would be wrong of a proven one too.
    let header = opened.header().clone();
    if header.cluster != cluster.as_str() {
        let (found, expected) = (header.cluster, cluster.clone());
        return Err(VerifyError::OtherCluster { name: name.clone(), found, expected });
    }
    if header.generation != *keys {
        let (found, stored) = (header.generation, keys.clone());
        return Err(VerifyError::OtherKeys { name: name.clone(), found, stored });
    }
    let unlocked = opened.unlock(encryption).await.map_err(of_file)?;
    Ok((header, unlocked))
}

/// Decrypts a snapshot from its first byte to its last and holds it against its checksums. `keys` are
/// the unseal keys that are kept.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(
    shelf: &Shelf,
    name: &Name,
    cluster: &ClusterName,
    keys: &Generation,
    encryption: &dyn KeyEncryption,
) -> Result<Verified, VerifyError> {
    let (header, unlocked) = unlock(shelf, name, cluster, keys, encryption).await?;
    let archive =
        unlocked.archive().map_err(|why| VerifyError::File { name: name.clone(), why })?;
    let checked = spawn_blocking(move || archive::check(archive)).await;
    let checked = checked.unwrap_or_else(|gone| Err(ArchiveError::Damaged(io::Error::other(gone))));
    let meta = checked.map_err(|why| VerifyError::Archive { name: name.clone(), why })?;
    Ok(Verified { header, meta })
}
