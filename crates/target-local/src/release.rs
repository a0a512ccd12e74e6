//! What a server was last started as. It stays with the server's files, so that whoever starts it again
//! starts the same: another version or configuration comes with a rollout, never by accident.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vaultyard_durable as durable;
use vaultyard_model::Version;
use vaultyard_model::port::rollout::Stale;
use vaultyard_render::server_configuration::same_for_a_member;

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
        "{} is damaged: {why}; put it back from a copy, or remove it while every server runs the version \
         that the document says",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What a server was last started as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What.
    pub release: Release,
    /// Whether it was seen unsealed as that.
    pub ran: bool,
    /// The version that it ran before, when that was another one.
    pub before: Option<Version>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: String,
    program: PathBuf,
    configuration: String,
    #[serde(default)]
    ran: bool,
    before: Option<String>,
}

impl Record {
    /// What lies at this path; `None` when nothing does.
    ///
    /// # Errors
    /// [`ReleaseError`]
    pub fn read(path: &Path) -> Result<Option<Self>, ReleaseError> {
        let bytes = durable::read(path).map_err(|source| unusable(path, source))?;
        let damaged = |why: String| ReleaseError::Damaged { path: path.to_owned(), why };
        let Some(bytes) = bytes else { return Ok(None) };
        let Written { version, program, configuration, ran, before } =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let read =
            |text: &str| Version::new(text).map_err(|error| damaged(format!("{text:?} {error}")));
        let version = read(&version)?;
        let before = before.as_deref().map(read).transpose()?;
        Ok(Some(Self { release: Release { version, program, configuration }, ran, before }))
    }

    /// The record of a server that is started as `release` now, and was started as `self` before.
    pub fn started_as(before: Option<Self>, release: Release) -> Self {
        let Some(earlier) = before else { return Self { release, ran: false, before: None } };
        let same_version = earlier.release.version == release.version;
        Self {
            ran: earlier.ran && earlier.release.differs_only_in_place(&release),
            before: match (same_version, earlier.ran) {
                (false, true) => Some(earlier.release.version),
                _ => earlier.before,
            },
            release,
        }
    }

    /// Keeps it at this path, unless it lies there already: a full disk keeps no server from starting again.
    ///
    /// # Errors
    /// [`ReleaseError::Unusable`]
    pub fn keep(&self, path: &Path) -> Result<(), ReleaseError> {
        let written = Written {
            version: self.release.version.to_string(),
            program: self.release.program.clone(),
            configuration: self.release.configuration.clone(),
            ran: self.ran,
            before: self.before.as_ref().map(Version::to_string),
        };
        let bytes = serde_json::to_vec_pretty(&written).map_err(io::Error::other);
        bytes
            .and_then(|bytes| durable::keep(path, &bytes, durable::PRIVATE))
            .map_err(|source| unusable(path, source))
    }

    /// In what a server that was started as this is not as `declared`; `None` when it is. Where its program
    /// lies is no such thing. A version that never unsealed it has written nothing: to go back to the one
    /// before is no change of version.
    pub fn stale(&self, declared: &Release) -> Option<Stale> {
        if self.release.differs_only_in_place(declared) {
            return None;
        }
        let untouched = !self.ran && self.before.as_ref() == Some(&declared.version);
        match self.release.version == declared.version || untouched {
            true => Some(Stale::Configuration),
            false => Some(Stale::Version),
        }
    }
}

impl Release {
    fn differs_only_in_place(&self, other: &Self) -> bool {
        self.version == other.version
            && same_for_a_member(&self.configuration, &other.configuration)
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

    fn record(version: &str, configuration: &str) -> Record {
        Record::started_as(None, release(version, configuration))
    }

    #[test]
    fn what_was_kept_is_read_again_and_what_is_damaged_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.json");
        assert_eq!(Record::read(&path).unwrap(), None);
        let old = Record { ran: true, ..record("2.7.1", "{}") };
        let record = Record::started_as(Some(old), release("2.7.2", "{}"));
        record.keep(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap().as_ref(), Some(&record));
        std::fs::write(&path, "{").unwrap();
        let damaged = Record::read(&path).unwrap_err().to_string();
        assert!(damaged.contains("put it back from a copy"), "{damaged}");
        record.keep(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), Some(record));
    }

    #[test]
    fn a_release_is_stale_in_its_version_or_else_in_its_configuration() {
        let declared = release("2.7.2", "{}");
        let elsewhere = Release { program: "/other/bao".into(), ..declared.clone() };
        assert_eq!(Record::started_as(None, elsewhere).stale(&declared), None);
        assert_eq!(record("2.7.2", "{1}").stale(&declared), Some(Stale::Configuration));
        assert_eq!(record("2.7.1", "{}").stale(&declared), Some(Stale::Version));
        assert_eq!(record("2.7.1", "{1}").stale(&declared), Some(Stale::Version));
    }

    #[test]
    fn a_version_that_never_ran_is_taken_back_like_a_configuration() {
        let old = Record { ran: true, ..record("2.7.1", "{}") };
        let broken = Record::started_as(Some(old.clone()), release("2.7.2", "{}"));
        assert_eq!(broken.stale(&release("2.7.1", "{}")), Some(Stale::Configuration));
        // Its configuration was changed meanwhile, and it still does not run.
        let again = Record::started_as(Some(broken.clone()), release("2.7.2", "{1}"));
        assert_eq!(again.stale(&release("2.7.1", "{}")), Some(Stale::Configuration));
        assert_eq!(again.stale(&release("2.7.0", "{}")), Some(Stale::Version));
        let ran = Record { ran: true, ..broken };
        assert_eq!(ran.stale(&release("2.7.1", "{}")), Some(Stale::Version));
        assert!(Record::started_as(Some(ran.clone()), release("2.7.2", "{}")).ran);
        assert_eq!(Record::started_as(Some(old), release("2.7.1", "{1}")).before, None);
    }
}
