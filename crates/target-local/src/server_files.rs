//! The files of one server: written before it starts, checked before it starts.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use vaultyard_durable as durable;
use vaultyard_model::{Secret, ServerName};

use crate::files;
use crate::state::paths::ServerFolder;

/// For certificates, which are no secret. The folder is the owner's alone all the same.
const PUBLIC: u32 = 0o644;

/// What a server serves, and whom it believes.
pub struct Certificates<'a> {
    /// PEM: the leaf, then the authority that signed it.
    pub certificate: &'a str,
    /// PEM.
    pub key: &'a Secret,
    /// PEM: the authority of the servers' certificates.
    pub authority: &'a str,
}

/// Why a server's files do not let it start.
#[derive(Debug, thiserror::Error)]
pub enum ServerFilesError {
    /// The operating system refuses.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Audit lines could not be written. A server that finds this out itself may be initialised
    /// and lose its keys.
    #[error("cannot open the audit file {} for writing", path.display())]
    Audit {
        /// The audit file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A certificate or key is not there.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The data is that of another server. It would run, unseal, and never take part.
    #[error(
        "the data in {} belongs to {found}, not to {wanted}; move it away (the server then joins \
         anew) or put the right data back",
        path.display()
    )]
    OtherNode {
        /// The data folder.
        path: PathBuf,
        /// Whose it is, as far as is known.
        found: String,
        /// Whose it should be.
        wanted: ServerName,
    },
    /// A part of the data is gone. The server would look like a new one.
    #[error(
        "the data in {} is incomplete: raft/ is there and vault.db is not; put it back, or move \
         the whole folder away (the server then joins anew)",
        path.display()
    )]
    Incomplete {
        /// The data folder.
        path: PathBuf,
    },
}

impl ServerFilesError {
    fn unusable(path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unusable { path, source }
    }
}

/// Makes the server's folder and those below it.
///
/// # Errors
/// [`ServerFilesError::Unusable`]
pub fn make_folders(folder: &ServerFolder) -> Result<(), ServerFilesError> {
    for path in [folder.path().to_owned(), folder.unsealer()] {
        durable::make_private_folder(&path).map_err(ServerFilesError::unusable(path))?;
    }
    Ok(())
}

/// Writes the configuration as a whole: a server takes half a file for a short one.
///
/// # Errors
/// [`ServerFilesError::Unusable`]
pub fn write_configuration(folder: &ServerFolder, json: &str) -> Result<(), ServerFilesError> {
    keep(folder.configuration(), json.as_bytes(), durable::PRIVATE)
}

/// Writes certificate, key and authority. All are in place when this returns; only then may the
/// server be told to load them.
///
/// # Errors
/// [`ServerFilesError::Unusable`]
pub fn write_certificates(
    folder: &ServerFolder,
    certificates: &Certificates<'_>,
) -> Result<(), ServerFilesError> {
    make_folders(folder)?;
    write_authority(folder, certificates.authority)?;
    put(folder.key(), certificates.key.expose(), durable::PRIVATE)?;
    put(folder.certificate(), certificates.certificate.as_bytes(), PUBLIC)
}

/// Writes the authority (PEM) of the servers' certificates.
///
/// # Errors
/// [`ServerFilesError::Unusable`]
pub fn write_authority(folder: &ServerFolder, authority: &str) -> Result<(), ServerFilesError> {
    keep(folder.authority(), authority.as_bytes(), PUBLIC)
}

/// A file that is already there as it should be is left alone, so that a full disk keeps no server
/// from starting again.
fn keep(path: PathBuf, bytes: &[u8], mode: u32) -> Result<(), ServerFilesError> {
    durable::keep(&path, bytes, mode).map_err(ServerFilesError::unusable(path))
}

fn put(path: PathBuf, bytes: &[u8], mode: u32) -> Result<(), ServerFilesError> {
    durable::replace(&path, bytes, mode).map_err(ServerFilesError::unusable(path))
}

/// Looks for what a server does not report by itself, or only when it is too late, and makes its
/// data its own.
///
/// # Errors
/// [`ServerFilesError`]
pub fn check(folder: &ServerFolder, server: &ServerName) -> Result<(), ServerFilesError> {
    for path in [folder.certificate(), folder.key(), folder.authority()] {
        if !path.exists() {
            return Err(ServerFilesError::Missing { path });
        }
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(durable::PRIVATE)
        .open(folder.audit())
        .map_err(|source| ServerFilesError::Audit { path: folder.audit(), source })?;
    // A removal that was interrupted.
    files::remove_folder(&folder.removed_data())
        .map_err(ServerFilesError::unusable(folder.removed_data()))?;
    own_data(folder, server)
}

/// New data is marked with the server's name; data that is there must bear that mark.
fn own_data(folder: &ServerFolder, server: &ServerName) -> Result<(), ServerFilesError> {
    let path = folder.data();
    durable::make_private_folder(&path).map_err(ServerFilesError::unusable(path.clone()))?;
    let database = path.join("vault.db").exists();
    if !database && path.join("raft").exists() {
        return Err(ServerFilesError::Incomplete { path });
    }
    let mark = folder.data_owner();
    let owner = durable::read(&mark).map_err(ServerFilesError::unusable(mark.clone()))?;
    let owner = owner.map(|name| String::from_utf8_lossy(&name).trim().to_owned());
    match owner {
        Some(name) if name == server.as_str() => Ok(()),
        None if !database => put(mark, format!("{server}\n").as_bytes(), durable::PRIVATE),
        other => Err(ServerFilesError::OtherNode {
            path,
            found: other.unwrap_or_else(|| "an unknown server".to_owned()),
            wanted: server.clone(),
        }),
    }
}

/// Removes the server's raft data and nothing else. It is moved away first, so that the server
/// never sees a half of it.
///
/// # Errors
/// [`ServerFilesError::Unusable`]; the call can be repeated.
pub fn remove_data(folder: &ServerFolder) -> Result<(), ServerFilesError> {
    let (data, removed) = (folder.data(), folder.removed_data());
    let clear = || files::remove_folder(&removed);
    clear().map_err(ServerFilesError::unusable(removed.clone()))?;
    match durable::rename(&data, &removed) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(ServerFilesError::unusable(data))?,
    }
    clear().map_err(ServerFilesError::unusable(removed.clone()))
}

#[cfg(test)]
mod tests;
