//! The files of keys and certificates, with errors that name what was tried on which.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(crate) use vaultyard_durable::{PRIVATE, PUBLIC};

/// A file or folder that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was tried: `read`, `write` ...
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action, path: path.to_owned(), source }
}

/// Makes the folder, with those above it, and shuts everybody but the owner out of it.
pub(crate) fn private_folder(folder: &Path) -> Result<(), FileError> {
    let made = vaultyard_durable::make_private_folder(folder);
    made.map_err(at("create the folder", folder))?;
    let mode = fs::metadata(folder).map_err(at("look at", folder))?.permissions().mode();
    if mode & 0o077 != 0 {
        let private = Permissions::from_mode(0o700);
        fs::set_permissions(folder, private).map_err(at("change the permissions of", folder))?;
    }
    Ok(())
}

/// Whether something has this name.
pub(crate) fn exists(path: &Path) -> Result<bool, FileError> {
    path.try_exists().map_err(at("look at", path))
}

/// The whole file; `None` when it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    vaultyard_durable::read(path).map_err(at("read", path))
}

/// Writes one file.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    vaultyard_durable::replace(path, bytes, mode).map_err(at("write", path))
}

/// Writes a key and its certificate, so that a reader sees old beside new only for a moment.
pub(crate) fn write_pair(
    key: (&Path, &[u8]),
    certificate: (&Path, &[u8]),
) -> Result<(), FileError> {
    let both = [(key.0, key.1, PRIVATE), (certificate.0, certificate.1, PUBLIC)];
    vaultyard_durable::replace_together(&both).map_err(at("write", certificate.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_private_also_when_it_was_open() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b");
        let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        private_folder(&folder).unwrap();
        assert_eq!(mode(), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(mode(), 0o700);
    }
}
