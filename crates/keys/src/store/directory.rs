//! A key store that is a folder.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, Object, ObjectName};

use vaultyard_durable as durable;

/// A folder, one file an object. Files are created by a link, which never replaces one.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    folder: PathBuf,
}

impl DirectoryStore {
    /// Opens the folder; makes it (0700) when it is not there.
    ///
    /// # Errors
    /// The file system's error.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        durable::make_private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// The store in a folder that was made before; one that is gone is an error of every call.
    pub fn existing(folder: PathBuf) -> Self {
        Self { folder }
    }

    async fn with<T: Send + 'static>(
        &self,
        name: &ObjectName,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CustodyError> {
        let path = self.folder.join(name.to_string());
        let done = spawn_blocking(move || work(&path).map_err(|error| failed(&path, &error))).await;
        done.unwrap_or_else(|error| Err(CustodyError::Retryable(error.to_string())))
    }
}

/// What a file system refuses it mostly refuses until somebody changes something; room comes back.
pub(crate) fn failed(path: &Path, error: &io::Error) -> CustodyError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::Interrupted
        | io::ErrorKind::TimedOut
        | io::ErrorKind::ResourceBusy => CustodyError::Retryable(text),
        _ => CustodyError::Fatal(text),
    }
}

#[async_trait]
impl KeyStore for DirectoryStore {
    fn describe(&self) -> String {
        format!("folder {}", self.folder.display())
    }

    async fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Create, CustodyError> {
        let bytes = bytes.to_vec();
        let created = self.with(name, move |path| durable::create(path, &bytes)).await?;
        Ok(if created { Create::Created(1) } else { Create::Exists })
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Object>, CustodyError> {
        let bytes = self.with(name, durable::read_from_standing_folder).await?;
        Ok(bytes.map(|bytes| Object { bytes, version: 1 }))
    }

    async fn discard_probe(&self, probe: &str) -> Result<(), CustodyError> {
        self.with(&ObjectName::Probe(probe.to_owned()), durable::remove).await
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_the_contract_of_a_key_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path().join("keys")).unwrap();
        vaultyard_testkit::contract::key_store(&store).await;
    }

    #[tokio::test]
    async fn only_the_owner_can_read_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path().join("keys")).unwrap();
        store.create(&ObjectName::Keys(1), b"{}").await.unwrap();
        let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode();
        assert_eq!(mode("keys/keys-0001.json") & 0o777, 0o600);
        assert_eq!(mode("keys") & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_an_error_and_not_an_empty_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path().join("keys")).unwrap();
        std::fs::remove_dir(folder.path().join("keys")).unwrap();
        assert!(matches!(store.read(&ObjectName::Keys(1)).await, Err(CustodyError::Fatal(_))));
    }
}
