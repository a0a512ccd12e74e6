//! Files that are replaced whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// For the owner alone: private keys.
pub(crate) const PRIVATE: u32 = 0o600;
/// For everybody who may look into the folder: certificates.
pub(crate) const PUBLIC: u32 = 0o644;

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
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
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
    let looked = path.try_exists();
    looked.map_err(|source| FileError { action: "look at", path: path.to_owned(), source })
}

/// The whole file; `None` when it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", path)(error)),
    }
}

/// Writes one file: when this returns, it is there also after a loss of power.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    Staged::write(path, bytes, mode)?.publish()?;
    sync_folder_of(path)
}

/// Writes files of one folder that belong together. All are complete under temporary names before
/// the first gets its own, so that a reader sees old beside new only between the renames.
pub(crate) fn write_together(files: &[(&Path, &[u8], u32)]) -> Result<(), FileError> {
    let stage = |(path, bytes, mode): &(&Path, &[u8], u32)| Staged::write(path, bytes, *mode);
    let staged = files.iter().map(stage).collect::<Result<Vec<_>, _>>()?;
    staged.into_iter().try_for_each(Staged::publish)?;
    files.first().map_or(Ok(()), |(path, ..)| sync_folder_of(path))
}

/// A complete file that does not have its name yet. It is removed when it never gets it.
struct Staged {
    temporary: PathBuf,
    path: PathBuf,
}

impl Staged {
    fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<Self, FileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.new"));
        let staged = Self { temporary, path: path.to_owned() };
        staged.fill(bytes, mode).map_err(at("write", &staged.temporary))?;
        Ok(staged)
    }

    fn fill(&self, bytes: &[u8], mode: u32) -> io::Result<()> {
        match fs::remove_file(&self.temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(&self.temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn publish(self) -> Result<(), FileError> {
        fs::rename(&self.temporary, &self.path).map_err(at("replace", &self.path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename there is nothing under this name; what else fails here was reported.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|opened| opened.sync_all());
    synced.map_err(at("write the folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_is_made_private_also_when_it_was_open() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a/b");
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.key");
        fs::write(folder.path().join(".tls.key.new"), "left by a crash").unwrap();
        write(&path, b"one", PUBLIC).unwrap();
        write(&path, b"two", PRIVATE).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(mode(&path), PRIVATE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn when_one_of_two_cannot_be_written_the_other_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("tls.key"), folder.path().join("tls.crt"));
        write(&first, b"old", PRIVATE).unwrap();
        fs::create_dir(folder.path().join(".tls.crt.new")).unwrap();
        let both: [(&Path, &[u8], u32); 2] = [(&first, b"new", PRIVATE), (&second, b"new", PUBLIC)];
        let error = write_together(&both).unwrap_err();
        assert_eq!(error.path, folder.path().join(".tls.crt.new"));
        assert_eq!(read(&first).unwrap().unwrap(), b"old");
    }

    #[test]
    fn a_file_that_is_not_there_is_no_error() {
        assert!(read(Path::new("/nowhere/tls.crt")).unwrap().is_none());
    }
}
