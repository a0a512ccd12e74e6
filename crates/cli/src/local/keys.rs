//! Where the keys of a local cluster are, and what opens them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use vaultyard_keys::encryption::local::LocalEncryption;
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::store::directory::DirectoryStore;
use vaultyard_keys::stored::{self, KeyRing};
use vaultyard_keys::{envelope, rekey};
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::{Cluster, ClusterName};
use vaultyard_target_local::Paths;
use vaultyard_vault::Authorised;

use super::state::{self, Known};
use crate::arguments::Common;
use crate::custody::{self, Own};
use crate::failure::{Failure, failed};
use crate::faults;
use crate::system::SystemRandom;

/// The key store and the encryption of a cluster.
#[derive(Clone)]
pub(crate) struct Custody {
    /// Where the encrypted keys are.
    pub(crate) store: Arc<dyn KeyStore>,
    /// What opens them.
    pub(crate) encryption: Arc<dyn KeyEncryption>,
    /// When they last unsealed a server.
    pub(crate) log: UnsealLog,
}

impl Custody {
    /// The keys of this cluster that count, decrypted.
    pub(crate) async fn load(&self, cluster: &ClusterName) -> Result<envelope::Keys, Failure> {
        stored::load_settled(cluster, &*self.store, &*self.encryption).await.map_err(failed)
    }

    /// What a rekey needs, with the leader and a login there.
    pub(crate) fn ports<'a>(
        &'a self,
        cluster: &'a ClusterName,
        leader: Authorised<'a>,
    ) -> rekey::Ports<'a> {
        rekey::Ports {
            cluster,
            leader,
            store: &*self.store,
            encryption: &*self.encryption,
            random: &SystemRandom,
            faults: faults::hook(),
        }
    }

    /// All that it has and had.
    pub(crate) async fn load_all(&self, cluster: &ClusterName) -> Result<KeyRing, Failure> {
        stored::load_all(cluster, &*self.store, &*self.encryption).await.map_err(failed)
    }
}

/// The cluster in the state directory, and where its keys are.
pub(crate) async fn of_state(common: &Common) -> Result<(Known, Custody), Failure> {
    let known = state::known(common)?;
    let custody = open(&known.document.cluster, known.state.paths(), Missing::Refuse).await?;
    Ok((known, custody))
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
    let (store, encryption) = custody::open(&cluster.keys, &StateFolder { paths, missing }).await?;
    Ok(Custody { store, encryption, log: UnsealLog::new(paths.last_unsealed()) })
}

/// What stands in the state directory.
struct StateFolder<'a> {
    paths: &'a Paths,
    missing: Missing,
}

#[async_trait]
impl Own for StateFolder<'_> {
    async fn store(&self, path: Option<&Path>) -> Result<Arc<dyn KeyStore>, Failure> {
        let folder = path.map_or_else(|| self.paths.keys(), Path::to_owned);
        // The folder is made before the first key. One that is gone later was lost, and an empty one
        // in its place would only be in the way of what is brought back.
        let used = key_file(self.paths).exists() || self.paths.last_unsealed().exists();
        let store = match self.missing {
            Missing::Create if !used => DirectoryStore::open(folder).map_err(failed)?,
            Missing::Create | Missing::Refuse => DirectoryStore::existing(folder),
        };
        Ok(Arc::new(store))
    }

    async fn encryption(&self, store: &dyn KeyStore) -> Result<Arc<dyn KeyEncryption>, Failure> {
        let (file, random) = (key_file(self.paths), Arc::new(SystemRandom));
        let encryption = match self.missing {
            Missing::Create => LocalEncryption::open_or_create(file, store, random).await,
            Missing::Refuse => LocalEncryption::open(file, store, random),
        };
        Ok(Arc::new(encryption.map_err(failed)?))
    }
}

/// The file of the key-encryption key.
pub(crate) fn key_file(paths: &Paths) -> PathBuf {
    paths.key_encryption().join("key-encryption.key")
}
