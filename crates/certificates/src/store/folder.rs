//! Keys and certificates as files of one folder.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vaultyard_durable::{PRIVATE, PUBLIC};
use zeroize::Zeroizing;

use super::{Access, FileError, Location, PemStore, StoreName};

/// A folder of keys and certificates. Each write is on the disk when it returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder of this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl PemStore for Folder {
    fn prepare(&mut self) -> Result<(), FileError> {
        let folder = &self.0;
        let made = vaultyard_durable::make_private_folder(folder);
        made.map_err(at("create the folder", folder))?;
        let mode = fs::metadata(folder).map_err(at("look at", folder))?.permissions().mode();
        if mode & 0o077 != 0 {
            let private = Permissions::from_mode(0o700);
            let changed = fs::set_permissions(folder, private);
            changed.map_err(at("change the permissions of", folder))?;
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        let path = self.file(name);
        let bytes = vaultyard_durable::read(&path).map_err(at("read", &path))?;
        Ok(bytes.map(Zeroizing::new))
    }

    fn write(&mut self, name: &str, bytes: &[u8], access: Access) -> Result<(), FileError> {
        let path = self.file(name);
        let mode = match access {
            Access::Private => PRIVATE,
            Access::Public => PUBLIC,
        };
        vaultyard_durable::replace(&path, bytes, mode).map_err(at("write", &path))
    }

    fn write_pair(
        &mut self,
        key: (&str, &[u8]),
        certificate: (&str, &[u8]),
    ) -> Result<(), FileError> {
        let (key_file, certificate_file) = (self.file(key.0), self.file(certificate.0));
        let both = [
            (key_file.as_path(), key.1, PRIVATE),
            (certificate_file.as_path(), certificate.1, PUBLIC),
        ];
        vaultyard_durable::replace_together(&both).map_err(at("write", &certificate_file))
    }

    fn location(&self, name: &str) -> Location {
        Location::new(StoreName::Folder(self.0.clone()), name)
    }
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_private_also_when_it_was_open() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        let mut folder = Folder::new(&path);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        folder.prepare().unwrap();
        assert_eq!(mode(), 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        folder.prepare().unwrap();
        assert_eq!(mode(), 0o700);
    }
}
