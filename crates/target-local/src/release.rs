//! What a server was last started as. It stays with the server's files, so that whoever starts it again
//! starts the same: another version or configuration comes with a rollout, never by accident.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vaultyard_durable as durable;
use vaultyard_model::Version;
use vaultyard_model::port::rollout::Stale;

/// A program and its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version of the program.
    pub version: Version,
    /// Where it lies.
    pub program: PathBuf,
    /// Its configuration: JSON.
    pub configuration: String,
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The operating system refuses.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It cannot be understood.
    #[error(
        "{} is damaged: {why}; remove it, and the server is started as the document says",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: String,
    program: PathBuf,
    configuration: String,
}

impl Release {
    /// What lies at this path; `None` when nothing does.
    ///
    /// # Errors
    /// [`ReleaseError`]
    pub fn read(path: &Path) -> Result<Option<Self>, ReleaseError> {
        let bytes = durable::read(path).map_err(|source| unusable(path, source))?;
        let damaged = |why: String| ReleaseError::Damaged { path: path.to_owned(), why };
        let Some(bytes) = bytes else { return Ok(None) };
        let Written { version, program, configuration } =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let version =
            Version::new(&version).map_err(|error| damaged(format!("`version` {error}")))?;
        Ok(Some(Self { version, program, configuration }))
    }

    /// Keeps it at this path, unless it lies there already: a full disk keeps no server from starting again.
    ///
    /// # Errors
    /// [`ReleaseError::Unusable`]
    pub fn keep(&self, path: &Path) -> Result<(), ReleaseError> {
        if Self::read(path).is_ok_and(|kept| kept.as_ref() == Some(self)) {
            return Ok(());
        }
        let written = Written {
            version: self.version.to_string(),
            program: self.program.clone(),
            configuration: self.configuration.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&written).map_err(io::Error::other);
        bytes
            .and_then(|bytes| durable::replace(path, &bytes, durable::PRIVATE))
            .map_err(|source| unusable(path, source))
    }

    /// In what a server that was started as this is not as `declared`; `None` when it is. Where its program
    /// lies is no such thing.
    pub fn stale(&self, declared: &Self) -> Option<Stale> {
        match (self.version == declared.version, self.configuration == declared.configuration) {
            (true, true) => None,
            (true, false) => Some(Stale::Configuration),
            (false, _) => Some(Stale::Version),
        }
    }
}

fn unusable(path: &Path, source: io::Error) -> ReleaseError {
    ReleaseError::Unusable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, configuration: &str) -> Release {
        Release {
            version: Version::new(version).unwrap(),
            program: "/programs/bao".into(),
            configuration: configuration.to_owned(),
        }
    }

    #[test]
    fn what_was_kept_is_read_again_and_what_is_damaged_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.json");
        assert_eq!(Release::read(&path).unwrap(), None);
        let release = release("2.7.1", "{}");
        release.keep(&path).unwrap();
        assert_eq!(Release::read(&path).unwrap().as_ref(), Some(&release));
        std::fs::write(&path, "{").unwrap();
        let damaged = Release::read(&path).unwrap_err().to_string();
        assert!(damaged.contains("remove it, and the server is started"), "{damaged}");
        release.keep(&path).unwrap();
        assert_eq!(Release::read(&path).unwrap(), Some(release));
    }

    #[test]
    fn a_release_is_stale_in_its_version_or_else_in_its_configuration() {
        let declared = release("2.7.2", "{}");
        let elsewhere = Release { program: "/other/bao".into(), ..declared.clone() };
        assert_eq!(elsewhere.stale(&declared), None);
        assert_eq!(release("2.7.2", "{1}").stale(&declared), Some(Stale::Configuration));
        assert_eq!(release("2.7.1", "{}").stale(&declared), Some(Stale::Version));
        assert_eq!(release("2.7.1", "{1}").stale(&declared), Some(Stale::Version));
    }
}
