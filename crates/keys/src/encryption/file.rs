//! Secrets that somebody else puts into files.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Everybody may read it.
    #[error("everybody on this machine may read {} (mode {mode:03o}); if nobody has, run `chmod o-rwx` on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

impl FileError {
    /// Whether the file may be there soon: it is just being replaced.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::File { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file that the world may read: a short-lived token, as Kubernetes writes them.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|error| FileError::File { path: path.to_owned(), error })
}

/// Reads a file that the world may not read. A group may: pods have their secrets that way.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let metadata = path.metadata();
    let metadata = metadata.map_err(|error| FileError::File { path: path.to_owned(), error })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(FileError::Open { path: path.to_owned(), mode });
    }
    read(path)
}
