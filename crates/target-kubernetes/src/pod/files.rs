//! The files that a server needs before it starts, put into the folder that its pod's containers
//! share.

use std::io;
use std::path::{Path, PathBuf};

use vaultyard_durable as durable;
use vaultyard_model::ServerName;

use super::paths::Paths;

/// Why a server's files do not let it start.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The operating system refuses.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The Secret of certificates does not hold this server's yet.
    #[error(
        "the Secret of server certificates holds no {file} yet; the certificates controller writes \
         it, see its log"
    )]
    NoCertificate {
        /// The key within the Secret.
        file: String,
    },
    /// The volume is that of another server, whose data would run, unseal, and never take part.
    #[error(
        "the volume belongs to {found}, not to {wanted}: give it back to {found}, or delete the \
         claim and the pod ({wanted} then joins anew)"
    )]
    OtherServer {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: ServerName,
    },
    /// A part of the data is gone. The server would look like a new one.
    #[error(
        "the data in {} is incomplete: raft/ is there and vault.db is not; put it back, or delete \
         the claim and the pod (the server then joins anew)",
        path.display()
    )]
    Incomplete {
        /// The data folder.
        path: PathBuf,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FilesError {
    move |source| FilesError::Unusable { path: path.to_owned(), source }
}

/// Whether the server was given other certificates than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// What lay there was the same.
    Unchanged,
    /// The server has to load them.
    Changed,
}

/// Puts everything in place: the configuration is written last, and whole.
///
/// # Errors
/// [`FilesError`], before anything is written that the server reads.
pub fn prepare(paths: &Paths, server: &ServerName, configuration: &str) -> Result<(), FilesError> {
    claim_volume(paths, server)?;
    look_at_data(&paths.data())?;
    // OpenBao 2.6 and before ends where there is none.
    durable::make_private_folder(&paths.data()).map_err(at(&paths.data()))?;
    durable::make_private_folder(&paths.records()).map_err(at(&paths.records()))?;
    deliver_certificates(paths, server)?;
    let file = paths.configuration();
    durable::replace(&file, configuration.as_bytes(), durable::PRIVATE).map_err(at(&file))
}

/// Copies the server's certificate from the mounted Secret to where the server reads it, key and
/// certificate together.
///
/// # Errors
/// [`FilesError`]; what the server reads is then as it was.
pub fn deliver_certificates(paths: &Paths, server: &ServerName) -> Result<Delivered, FilesError> {
    let source = |file: String| {
        let path = paths.certificates().join(&file);
        let found = durable::read(&path).map_err(at(&path))?;
        found.ok_or(FilesError::NoCertificate { file })
    };
    let key = source(format!("{server}.key"))?;
    let certificate = source(format!("{server}.crt"))?;
    let authority = source("ca.crt".to_owned())?;
    let files = [
        (paths.served_authority(), authority, durable::PUBLIC),
        (paths.served_key(), key, durable::PRIVATE),
        (paths.served_certificate(), certificate, durable::PUBLIC),
    ];
    let same = |(path, wanted, _): &(PathBuf, Vec<u8>, u32)| {
        durable::read(path).is_ok_and(|found| found.as_ref() == Some(wanted))
    };
    if files.iter().all(same) {
        return Ok(Delivered::Unchanged);
    }
    let files =
        files.each_ref().map(|(path, bytes, mode)| (path.as_path(), bytes.as_slice(), *mode));
    durable::replace_together(&files).map_err(at(&paths.served_certificate()))?;
    Ok(Delivered::Changed)
}

/// Writes whose volume it is when that does not stand there yet.
fn claim_volume(paths: &Paths, server: &ServerName) -> Result<(), FilesError> {
    let file = paths.owner();
    durable::create(&file, server.as_str().as_bytes()).map_err(at(&file))?;
    let found = durable::read(&file).map_err(at(&file))?.unwrap_or_default();
    if found == server.as_str().as_bytes() {
        return Ok(());
    }
    let found = String::from_utf8_lossy(&found).into_owned();
    Err(FilesError::OtherServer { found, wanted: server.clone() })
}

fn look_at_data(data: &Path) -> Result<(), FilesError> {
    if data.join("raft").exists() && !data.join("vault.db").exists() {
        return Err(FilesError::Incomplete { path: data.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vaultyard_model::ClusterName;

    use super::*;

    fn server(ordinal: u8) -> ServerName {
        ClusterName::new("vault").unwrap().server(ordinal)
    }

    /// The volumes of a pod, the Secret with the certificates of two servers among them.
    fn mounted(folder: &Path) -> Paths {
        let paths = Paths::below(folder.to_owned());
        for mount in ["data", "run", "certificates"] {
            fs::create_dir(folder.join(mount)).unwrap();
        }
        for file in ["vault-0.crt", "vault-0.key", "vault-1.crt", "vault-1.key", "ca.crt"] {
            fs::write(paths.certificates().join(file), file).unwrap();
        }
        paths
    }

    fn read(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_server_finds_its_configuration_and_its_own_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let paths = mounted(folder.path());
        prepare(&paths, &server(1), "{}").unwrap();
        assert_eq!(read(paths.configuration()), "{}");
        assert_eq!(read(paths.served_certificate()), "vault-1.crt");
        assert_eq!(read(paths.served_key()), "vault-1.key");
        assert_eq!(read(paths.served_authority()), "ca.crt");
    }

    #[test]
    fn a_renewed_certificate_is_delivered_once() {
        let folder = tempfile::tempdir().unwrap();
        let paths = mounted(folder.path());
        prepare(&paths, &server(0), "{}").unwrap();
        assert_eq!(deliver_certificates(&paths, &server(0)).unwrap(), Delivered::Unchanged);
        fs::write(paths.certificates().join("vault-0.crt"), "renewed").unwrap();
        assert_eq!(deliver_certificates(&paths, &server(0)).unwrap(), Delivered::Changed);
        assert_eq!(read(paths.served_certificate()), "renewed");
        assert_eq!(deliver_certificates(&paths, &server(0)).unwrap(), Delivered::Unchanged);
    }

    #[test]
    fn a_missing_certificate_is_named_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let paths = mounted(folder.path());
        let error = prepare(&paths, &server(2), "{}").unwrap_err();
        assert!(matches!(&error, FilesError::NoCertificate { file } if file == "vault-2.key"));
        assert!(!paths.configuration().exists());
    }

    #[test]
    fn the_volume_of_another_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let paths = mounted(folder.path());
        prepare(&paths, &server(0), "{}").unwrap();
        let error = prepare(&paths, &server(1), "other").unwrap_err();
        assert!(matches!(&error, FilesError::OtherServer { found, .. } if found == "vault-0"));
        assert_eq!(read(paths.configuration()), "{}");
    }

    #[test]
    fn data_without_its_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let paths = mounted(folder.path());
        fs::create_dir_all(paths.data().join("raft")).unwrap();
        let error = prepare(&paths, &server(0), "{}").unwrap_err();
        assert!(matches!(error, FilesError::Incomplete { .. }));
        fs::write(paths.data().join("vault.db"), "").unwrap();
        prepare(&paths, &server(0), "{}").unwrap();
    }
}
