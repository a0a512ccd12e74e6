//! Where the keys of a cluster on Kubernetes are, and what opens them.

use std::sync::Arc;

use vaultyard_keys::encryption::local::{LocalEncryption, key_text};
use vaultyard_keys::stored;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::KeyStore;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::labels::labels;
use vaultyard_target_kubernetes::kind::SECRET;
use vaultyard_target_kubernetes::secret_text::{SecretText, TextError};
use vaultyard_target_kubernetes::{Api, Reference, SecretStore};

/// The key store and the encryption of a cluster.
pub(crate) struct Custody {
    /// Where the encrypted keys are.
    pub(crate) store: Arc<SecretStore>,
    /// What opens them.
    pub(crate) encryption: Arc<LocalEncryption>,
}

/// Why the keys cannot be got at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CustodyError {
    /// The Secret cannot be read or made.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Whether a new key may be made cannot be told.
    #[error("cannot tell whether a key-encryption key may be made: {0}")]
    Store(vaultyard_model::port::custody::CustodyError),
    /// There is none, and there are keys that only it opens.
    #[error(
        "{key} is gone, and there are {store} that only it can decrypt; restore it from a backup. \
         Vaultyard never makes a new one in its place. If it is lost for good, so are the keys: \
         `vaultyard destroy` begins anew"
    )]
    Lost {
        /// The Secret of the key-encryption key.
        key: String,
        /// What it would open.
        store: String,
    },
    /// What it holds is no key.
    #[error("{key} does not hold a key-encryption key any more; restore it from a backup")]
    Damaged {
        /// The Secret of the key-encryption key.
        key: String,
    },
}

/// Opens both. A key-encryption key is made when there is none and nothing was encrypted yet.
pub(crate) async fn open(
    api: &Api,
    names: &Names,
    random: Arc<dyn Random>,
) -> Result<Custody, CustodyError> {
    let store = SecretStore::new(api.clone(), names.clone(), random.clone());
    let object = Reference::within(SECRET, names.namespace(), &names.key_encryption());
    let secret = SecretText::new(api.clone(), object, labels(names, None), random.clone());
    let key = secret.location();
    let text = match secret.read().await? {
        Some(text) => text,
        None if stored::look(&store).await.map_err(CustodyError::Store)?.attempts > 0 => {
            return Err(CustodyError::Lost { key, store: store.describe() });
        }
        None => secret.open_or_create(|| key_text(&*random)).await?,
    };
    let encryption = LocalEncryption::from_text(key.clone(), &text, random);
    let encryption = encryption.ok_or(CustodyError::Damaged { key })?;
    Ok(Custody { store: Arc::new(store), encryption: Arc::new(encryption) })
}
