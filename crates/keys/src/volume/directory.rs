//! The records of one server in a folder beside its data.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::volume::{Record, Volume};

use crate::store::directory::failed;
use vaultyard_durable::{self as durable, PRIVATE};

/// A folder, one file a record. It lies on the server's volume, outside of the server's data.
#[derive(Debug, Clone)]
pub struct DirectoryVolume {
    folder: PathBuf,
}

impl DirectoryVolume {
    /// Opens the folder; makes it (0700) when it is not there.
    ///
    /// # Errors
    /// The file system's error.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        durable::make_private_folder(&folder)?;
        Ok(Self { folder })
    }

    async fn with<T: Send + 'static>(
        &self,
        record: Record,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CustodyError> {
        let path = self.folder.join(record.file_name());
        let done = spawn_blocking(move || work(&path).map_err(|error| failed(&path, &error))).await;
        done.unwrap_or_else(|error| Err(CustodyError::Retryable(error.to_string())))
    }
}

#[async_trait]
impl Volume for DirectoryVolume {
    async fn read(&self, record: Record) -> Result<Option<Vec<u8>>, CustodyError> {
        self.with(record, durable::read_from_standing_folder).await
    }

    async fn write(&self, record: Record, bytes: &[u8]) -> Result<(), CustodyError> {
        let bytes = bytes.to_vec();
        self.with(record, move |path| durable::replace(path, &bytes, PRIVATE)).await
    }

    async fn remove(&self, record: Record) -> Result<(), CustodyError> {
        self.with(record, durable::remove).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_the_contract_of_a_volume() {
        let folder = tempfile::tempdir().unwrap();
        let volume = DirectoryVolume::open(folder.path().join("records")).unwrap();
        vaultyard_testkit::contract::volume(&volume).await;
    }
}
