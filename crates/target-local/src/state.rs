//! The state directory: everything that one cluster keeps on one machine.

pub mod paths;
mod record;

use std::fs::Permissions;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vaultyard_durable as durable;
use vaultyard_model::port::rollout::VersionChange;
use vaultyard_model::{ClusterName, ServerName};

use crate::files;
use crate::lock::{Lock, LockError};
use paths::Paths;
use record::{Network, Record, Standing};

/// The longest path of a unix socket, in bytes: `sun_path` of unix(7) without the final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// Of nine servers, the most there can be.
const LAST_ORDINAL: u8 = 8;

/// What may lie in a folder that is no state directory yet: what a killed first start, a file system
/// and a program fetched in advance leave there.
const HARMLESS: [&str; 3] = ["binaries", "lock", "lost+found"];

/// A state directory that was found to be ours.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    paths: Paths,
    cluster: ClusterName,
    created: Timestamp,
}

/// Why a folder cannot serve as state directory. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is not there.
    #[error("there is no state directory at {}; `vaultyard up` makes one", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot use {} in the state directory", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path is not UTF-8, so it cannot stand in a server's configuration.
    #[error("the path {} is not UTF-8; choose another --state", path.display())]
    NotUtf8 {
        /// The folder.
        path: PathBuf,
    },
    /// Sockets in it would have paths that the system does not take.
    #[error(
        "the path {} would be {length} bytes long, and a socket's may have {LONGEST_SOCKET_PATH}; \
         choose a --state that is {} bytes shorter",
        path.display(),
        length - LONGEST_SOCKET_PATH
    )]
    PathTooLong {
        /// The longest socket.
        path: PathBuf,
        /// How many bytes its path has.
        length: usize,
    },
    /// There is something else in it.
    #[error(
        "{} is not a state directory and is not empty ({found:?} lies in it); choose another \
         --state, or an empty folder",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// A Vaultyard of the future made it.
    #[error(
        "{} was written by Vaultyard {vaultyard} in format {format}, and this one knows formats \
         up to {known}; use that version or a newer one",
        path.display()
    )]
    Newer {
        /// The record.
        path: PathBuf,
        /// Its format.
        format: u64,
        /// The newest format that we know.
        known: u64,
        /// Who wrote it.
        vaultyard: String,
    },
    /// A file of ours cannot be understood.
    #[error(
        "{} is damaged: {why}; put it back from a copy. The servers' data and the keys beside it \
         are untouched",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It belongs to another cluster.
    #[error(
        "{} holds the cluster {found:?}, not {wanted:?}; choose another --state, or set \
         metadata.name to {found:?}",
        path.display()
    )]
    OtherCluster {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        wanted: String,
    },
    /// Another Vaultyard works on it.
    #[error("the state directory {} is in use", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has the lock.
        source: LockError,
    },
}

impl StateDirectory {
    /// Opens the folder for the one who changes things in it, and makes it where there is none.
    /// The lock must be kept as long as that goes on. `vaultyard` is our own version.
    ///
    /// # Errors
    /// [`StateError`]; a folder that was there before is then as it was.
    pub fn take(
        folder: &Path,
        cluster: &ClusterName,
        vaultyard: &str,
        now: Timestamp,
    ) -> Result<(Self, Lock), StateError> {
        let paths = paths_of(folder)?;
        check_socket_paths(&paths, cluster)?;
        let root = paths.root().to_owned();
        let unusable = |source| StateError::Unusable { path: root.clone(), source };
        durable::make_private_folder(&root).map_err(unusable)?;
        match Record::read(&paths.record())? {
            Some(record) => refuse_other(&record.cluster, cluster, &root)?,
            None => refuse_foreign(&root)?,
        }
        std::fs::set_permissions(&root, Permissions::from_mode(0o700)).map_err(unusable)?;
        let lock = match Lock::take(&paths.lock()) {
            Ok(lock) => lock,
            Err(LockError::Unusable { path, source }) => {
                return Err(StateError::Unusable { path, source });
            }
            Err(source @ LockError::Held { .. }) => {
                return Err(StateError::InUse { path: root, source });
            }
        };
        // Read again: now nobody else writes it.
        let record = match Record::read(&paths.record())? {
            Some(record) => record,
            None => Record::create(&paths.record(), cluster, vaultyard, now)?,
        };
        refuse_other(&record.cluster, cluster, &root)?;
        Ok((Self { paths, cluster: record.cluster, created: record.created }, lock))
    }

    /// Opens the folder for somebody who only reads.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let paths = paths_of(folder)?;
        match Record::read(&paths.record())? {
            Some(record) => Ok(Self { paths, cluster: record.cluster, created: record.created }),
            None => {
                refuse_foreign(paths.root())?;
                Err(StateError::Missing { path: paths.root().to_owned() })
            }
        }
    }

    /// Refuses another cluster's directory.
    ///
    /// # Errors
    /// [`StateError::OtherCluster`]
    pub fn refuse_other(&self, wanted: &ClusterName) -> Result<(), StateError> {
        refuse_other(&self.cluster, wanted, self.paths.root())
    }

    /// What lies where.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Whose state this is.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The first loopback address of the cluster, once one was chosen.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn first_address(&self) -> Result<Option<Ipv4Addr>, StateError> {
        Network::read(&self.paths.network())
    }

    /// Keeps the first loopback address for the next start.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn keep_first_address(&self, first: Ipv4Addr) -> Result<(), StateError> {
        Network::write(&self.paths.network(), first)
    }

    /// How many servers stand, the first so many by ordinal; `None` while that was never noted.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn standing(&self) -> Result<Option<u8>, StateError> {
        Standing::read(&self.paths.standing())
    }

    /// Notes how many servers stand from now on.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn keep_standing(&self, servers: u8) -> Result<(), StateError> {
        Standing::write(&self.paths.standing(), servers)
    }

    /// The servers of which something lies here though only the first `standing` do stand: a removal that was
    /// interrupted.
    pub fn fallen(&self, standing: u8) -> Vec<ServerName> {
        let beyond = (standing..=LAST_ORDINAL).map(|ordinal| self.cluster.server(ordinal));
        beyond.filter(|server| self.paths.server(server).path().exists()).collect()
    }

    /// Removes all that lies here of one server, whose process has ended.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn remove_server(&self, server: &ServerName) -> Result<(), StateError> {
        let path = self.paths.server(server).path().to_owned();
        files::remove_folder(&path).map_err(|source| StateError::Unusable { path, source })
    }

    /// The document that was last brought up.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn document(&self) -> Result<Option<String>, StateError> {
        let path = self.paths.document();
        let bytes = durable::read(&path)
            .map_err(|source| StateError::Unusable { path: path.clone(), source })?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|error| StateError::Damaged { path, why: error.to_string() })
    }

    /// Keeps the document that is brought up.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn keep_document(&self, text: &str) -> Result<(), StateError> {
        let path = self.paths.document();
        durable::replace(&path, text.as_bytes(), durable::PRIVATE)
            .map_err(|source| StateError::Unusable { path, source })
    }

    /// The last change of the servers' version, once there was one.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn version_change(&self) -> Result<Option<VersionChange>, StateError> {
        record::read_change(&self.paths.version_change())
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`StateError`]
    pub fn keep_version_change(&self, change: &VersionChange) -> Result<(), StateError> {
        record::write_change(change, &self.paths.version_change())
    }

    /// Destroys the cluster: removes all that Vaultyard keeps here and its keys in `keys_elsewhere`,
    /// the document's own key store, and the folder itself when nothing else lies in it. Data goes
    /// before the keys that open it, and what says that the folder is ours goes last, so that an
    /// interrupted removal can be repeated.
    ///
    /// # Errors
    /// [`StateError`] for the first thing that cannot be removed.
    pub fn destroy(self, keys_elsewhere: Option<&Path>, lock: Lock) -> Result<(), StateError> {
        let paths = &self.paths;
        let unusable = |path: PathBuf| |source| StateError::Unusable { path, source };
        files::remove_folder(&paths.servers()).map_err(unusable(paths.servers()))?;
        if let Some(folder) = keys_elsewhere {
            remove_where(folder, is_key_object)?;
        }
        let folders = [
            paths.snapshots(),
            paths.keys(),
            paths.key_encryption(),
            paths.pki(),
            paths.binaries(),
        ];
        for path in folders {
            files::remove_folder(&path).map_err(unusable(path))?;
        }
        remove_where(paths.root(), is_half_written)?;
        let ours = [
            paths.control_socket(),
            paths.log(),
            paths.last_unsealed(),
            paths.root_tokens(),
            paths.version_change(),
            paths.document(),
            paths.network(),
            paths.standing(),
            paths.record(),
            paths.lock(),
        ];
        for path in ours {
            durable::remove(&path).map_err(unusable(path))?;
        }
        drop(lock);
        match std::fs::remove_dir(paths.root()) {
            // Something of somebody else, a link to a folder, or a file system's root.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::ResourceBusy
                ) =>
            {
                Ok(())
            }
            other => other.map_err(unusable(paths.root().to_owned())),
        }
    }
}

/// The files that are written as a whole: first beside their place, then moved into it.
const WRITTEN_WHOLE: [&str; 7] = [
    "state.json",
    "cluster.yaml",
    "network.json",
    "standing.json",
    "last-unsealed.json",
    "root-tokens.json",
    "version-change.json",
];

/// Whether a killed Vaultyard left this file.
fn is_half_written(name: &str) -> bool {
    WRITTEN_WHOLE.iter().any(|whole| durable::is_temporary_of(whole, name))
}

/// Whether a file in a key store is ours.
fn is_key_object(name: &str) -> bool {
    let ours = |prefix: &&str| name.starts_with(prefix) || durable::is_temporary_of(prefix, name);
    ["intent-", "keys-", "probe-"].iter().any(ours)
}

/// Removes the files of `folder` whose names are `ours`; a folder that is gone has none.
fn remove_where(folder: &Path, ours: fn(&str) -> bool) -> Result<(), StateError> {
    let unusable = |path: &Path, source| StateError::Unusable { path: path.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(unusable(folder, source)),
    };
    for entry in entries {
        let entry = entry.map_err(|source| unusable(folder, source))?;
        if entry.file_name().to_str().is_some_and(ours) {
            let path = entry.path();
            durable::remove(&path).map_err(|source| unusable(&path, source))?;
        }
    }
    Ok(())
}

/// A relative folder is taken from the working directory, and keeps its meaning when that changes.
fn paths_of(folder: &Path) -> Result<Paths, StateError> {
    let absolute = std::path::absolute(folder)
        .map_err(|source| StateError::Unusable { path: folder.to_owned(), source })?;
    match absolute.into_os_string().into_string() {
        Ok(root) => Ok(Paths::new(root.trim_end_matches('/').to_owned())),
        Err(path) => Err(StateError::NotUtf8 { path: path.into() }),
    }
}

fn check_socket_paths(paths: &Paths, cluster: &ClusterName) -> Result<(), StateError> {
    let path = paths.server(&cluster.server(0)).admin_socket();
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET_PATH {
        return Err(StateError::PathTooLong { path, length });
    }
    Ok(())
}

fn refuse_other(found: &ClusterName, wanted: &ClusterName, root: &Path) -> Result<(), StateError> {
    if found == wanted {
        return Ok(());
    }
    Err(StateError::OtherCluster {
        path: root.to_owned(),
        found: found.to_string(),
        wanted: wanted.to_string(),
    })
}

fn refuse_foreign(root: &Path) -> Result<(), StateError> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StateError::Unusable { path: root.to_owned(), source }),
    };
    for entry in entries {
        let entry =
            entry.map_err(|source| StateError::Unusable { path: root.to_owned(), source })?;
        let found = entry.file_name().to_string_lossy().into_owned();
        let harmless = HARMLESS.contains(&found.as_str());
        if !harmless && !durable::is_temporary_of("state.json", &found) {
            return Err(StateError::Foreign { path: root.to_owned(), found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
