//! A lock that ends with its holder, however that one ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use vaultyard_durable as durable;

/// The right to change what lies beside the lock file; given back when dropped. The kernel keeps
/// it with the open file, so that a killed holder leaves nothing behind.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not given.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is held by {}", path.display(), shown(*pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The holder, when it has already written down who it is.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}", path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn shown(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl Lock {
    /// Takes the lock at `path` without waiting, and writes down our process id in it.
    ///
    /// # Errors
    /// [`LockError`]
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(durable::PRIVATE)
            .open(path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.to_owned(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        write_pid(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_second_taker_learns_the_process_id_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "99999999\n").unwrap();
        let first = Lock::take(&path).unwrap();
        let Err(LockError::Held { pid, .. }) = Lock::take(&path) else { panic!("not held") };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        // A child that another test is just starting has this one's open files for a moment.
        let until = Instant::now() + Duration::from_secs(10);
        while Lock::take(&path).is_err() {
            assert!(Instant::now() < until, "the lock is not given back");
            std::thread::yield_now();
        }
    }
}
