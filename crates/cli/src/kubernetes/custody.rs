//! Where the keys of a cluster on Kubernetes are, and what opens them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use vaultyard_keys::encryption::local::{LocalEncryption, key_text};
use vaultyard_keys::stored;
use vaultyard_model::cluster::Keys;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption, KeyStore, KeyText};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::labels;
use vaultyard_render::kubernetes::server_pod::KEY_FILES_FOLDER;
use vaultyard_target_kubernetes::kind::SECRET;
use vaultyard_target_kubernetes::secret_text::SecretText;
use vaultyard_target_kubernetes::{Api, Reference, SecretStore};

use crate::custody::{self, Opened, Own};
use crate::failure::{Failure, failed};
use crate::system::SystemRandom;

/// Opens what the document names, from within a server's pod. A key beside the data is made when
/// there is none and the store holds nothing either.
pub(crate) async fn open(api: &Api, names: &Names, keys: &Keys) -> Result<Opened, Failure> {
    let encryption = keys.encryption.with_files_in(Path::new(KEY_FILES_FOLDER));
    let keys = Keys { encryption, ..keys.clone() };
    custody::open(&keys, &Secrets { api, names, random: Arc::new(SystemRandom) }).await
}

/// Why there is no key beside the data.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    /// Whether a new one may be made cannot be told.
    #[error("cannot tell whether a key-encryption key may be made: {0}")]
    Store(CustodyError),
    /// There is none, and there are keys that only it opens.
    #[error(
        "{key} is gone, and there are {store} that only it can decrypt; restore it from a backup. \
         Vaultyard never makes a new one in its place. If it is lost for good, so are the keys: \
         `vaultyard destroy --volumes --keys` is the way to begin anew"
    )]
    Lost {
        /// Its Secret.
        key: String,
        /// What it would open.
        store: String,
    },
    /// What the Secret holds is no key.
    #[error("{key} does not hold a key-encryption key any more; restore it from a backup")]
    Damaged {
        /// Its Secret.
        key: String,
    },
}

/// What stands in Secrets.
struct Secrets<'a> {
    api: &'a Api,
    names: &'a Names,
    random: Arc<dyn Random>,
}

#[async_trait]
impl Own for Secrets<'_> {
    async fn store(&self, _: Option<&Path>) -> Result<Arc<dyn KeyStore>, Failure> {
        let (api, names) = (self.api.clone(), self.names.clone());
        Ok(Arc::new(SecretStore::new(api, names, self.random.clone())))
    }

    async fn encryption(&self, store: &dyn KeyStore) -> Result<Arc<dyn KeyEncryption>, Failure> {
        let Self { api, names, random } = self;
        let object = Reference::within(SECRET, names.namespace(), &names.key_encryption());
        let labels = labels(names, None);
        let secret = SecretText::new((*api).clone(), object, labels, random.clone());
        let key = secret.location();
        let text = match secret.text().await.map_err(failed)? {
            Some(text) => text,
            None => {
                let stored = stored::look(store).await.map_err(KeyError::Store).map_err(failed)?;
                if stored.attempts > 0 {
                    return Err(failed(KeyError::Lost { key, store: store.describe() }));
                }
                let made = secret.open_or_create(|| key_text(&**random)).await;
                made.map_err(failed)?
            }
        };
        let kept = Arc::new(secret);
        let encryption = LocalEncryption::from_text(kept, &text, random.clone());
        let encryption = encryption.ok_or(KeyError::Damaged { key }).map_err(failed)?;
        Ok(Arc::new(encryption))
    }
}
