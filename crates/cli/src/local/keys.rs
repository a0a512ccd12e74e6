//! Where the keys of a local cluster are, and what opens them.

use std::path::PathBuf;
use std::sync::Arc;

use vaultyard_keys::encryption::local::LocalEncryption;
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::store::directory::DirectoryStore;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Encryption, Store};
use vaultyard_target_local::Paths;

use crate::failure::{Failure, failed};
use crate::system::SystemRandom;

/// The key store and the encryption of a cluster.
#[derive(Clone)]
pub(crate) struct Custody {
    /// Where the encrypted keys are.
    pub(crate) store: Arc<DirectoryStore>,
    /// What opens them.
    pub(crate) encryption: Arc<LocalEncryption>,
    /// When they last unsealed a server.
    pub(crate) log: UnsealLog,
}

/// Whether a new key-encryption key may be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Where there are no keys yet.
    Create,
    /// Never: somebody only looks.
    Refuse,
}

/// Opens both.
pub(crate) async fn open(
    cluster: &Cluster,
    paths: &Paths,
    missing: Missing,
) -> Result<Custody, Failure> {
    let Store::Directory { path } = &cluster.keys.store;
    let folder = path.clone().unwrap_or_else(|| paths.keys());
    let Encryption::Local = cluster.keys.encryption;
    let file = key_file(paths);
    // The folder is made before the first key. One that is gone later was lost, and an empty one
    // in its place would only be in the way of what is brought back.
    let store = match missing {
        Missing::Create if !file.exists() => DirectoryStore::open(folder).map_err(failed)?,
        Missing::Create | Missing::Refuse => DirectoryStore::existing(folder),
    };
    let random = Arc::new(SystemRandom);
    let encryption = match missing {
        Missing::Create => LocalEncryption::open_or_create(file, &store, random).await,
        Missing::Refuse => LocalEncryption::open(file, &store, random),
    };
    Ok(Custody {
        store: Arc::new(store),
        encryption: Arc::new(encryption.map_err(failed)?),
        log: UnsealLog::new(paths.last_unsealed()),
    })
}

/// The file of the key-encryption key.
pub(crate) fn key_file(paths: &Paths) -> PathBuf {
    paths.key_encryption().join("key-encryption.key")
}
