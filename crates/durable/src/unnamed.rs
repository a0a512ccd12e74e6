//! A file that is written piece by piece, however large it becomes.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{PRIVATE, sync_folder_of, temporary};

/// A file ([`PRIVATE`]) that gets its name when it is complete. Dropped before, it is removed.
#[derive(Debug)]
pub struct Unnamed {
    file: NamedTempFile,
    path: PathBuf,
}

impl Unnamed {
    /// An empty one, in the folder of the name that it will have.
    ///
    /// # Errors
    /// The file system's.
    pub fn beside(path: &Path) -> io::Result<Self> {
        Ok(Self { file: temporary(path, PRIVATE)?, path: path.to_owned() })
    }

    /// Brings it to the disk and gives it its name, where nothing has that. `false` when something
    /// does, which is left as it is.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(self) -> io::Result<bool> {
        self.file.as_file().sync_all()?;
        match self.file.persist_noclobber(&self.path) {
            Ok(_) => sync_folder_of(&self.path).map(|()| true),
            Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(refused) => Err(refused.error),
        }
    }
}

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
