//! Where the keys of a cluster are and what opens them, as its document says; the same on every
//! target but for what a target keeps by itself.

mod shut;
pub(crate) mod trial;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use vaultyard_aws::{AwsKms, S3};
use vaultyard_google::{Account as GoogleAccount, GoogleKms, GoogleStorage, LeftKeys, Takeover};
use vaultyard_keys::encryption::age::AgeEncryption;
use vaultyard_keys::encryption::pkcs11::{Pkcs11Encryption, Place};
use vaultyard_keys::encryption::transit::TransitEncryption;
use vaultyard_model::ClusterName;
use vaultyard_model::cluster::{
    AwsRegion, Bucket, Encryption, GoogleKey, Keys, Prefix, Store, Web,
};
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::port::snapshots::SnapshotStore;

use self::shut::Shut;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::system::{self, SystemRandom};

/// The key store and the encryption of a cluster.
pub(crate) type Opened = (Arc<dyn KeyStore>, Arc<dyn KeyEncryption>);

/// What a target keeps by itself.
#[async_trait]
pub(crate) trait Own: Send + Sync {
    /// The folder, or the Secrets; `path` is the folder that the document names.
    async fn store(&self, path: Option<&Path>) -> Result<Arc<dyn KeyStore>, Failure>;

    /// The key beside the data. None is made in place of one that is lost.
    async fn encryption(&self, store: &dyn KeyStore) -> Result<Arc<dyn KeyEncryption>, Failure>;
}

/// Opens what the document names. Nothing is asked of a service yet.
///
/// # Errors
/// What cannot be opened, where, and what to do.
pub(crate) async fn open(keys: &Keys, own: &dyn Own) -> Result<Opened, Failure> {
    let store = store(&keys.store, own).await?;
    let encryption = encryption(&keys.encryption, &*store, own).await?;
    Ok((store, encryption))
}

async fn store(store: &Store, own: &dyn Own) -> Result<Arc<dyn KeyStore>, Failure> {
    match elsewhere(store)? {
        Some(elsewhere) => Ok(elsewhere),
        None => match store {
            Store::Directory { path } => own.store(path.as_deref()).await,
            _ => own.store(None).await,
        },
    }
}

/// Opens what the document names, where no target keeps any of it.
///
/// # Errors
/// [`open`]'s, and that the target keeps a part.
pub(crate) fn open_elsewhere(keys: &Keys) -> Result<Opened, Failure> {
    match (elsewhere(&keys.store)?, not_beside(&keys.encryption)?) {
        (Some(store), Some(encryption)) => Ok((store, encryption)),
        _ => {
            let text = "the document keeps the keys where the cluster is, or what opens them";
            let hint = "keep them in googleStorage or s3, encrypted by anything but local";
            Err(Failure::text(Kind::BadInput, text).hint(hint))
        }
    }
}

/// A store that is a service of its own; `None` when the target keeps the keys.
fn elsewhere(store: &Store) -> Result<Option<Arc<dyn KeyStore>>, Failure> {
    Ok(match store {
        Store::Directory { .. } | Store::KubernetesSecret => None,
        Store::GoogleStorage { bucket, prefix } => Some(Arc::new(of_google(bucket, prefix)?)),
        Store::S3 { bucket, prefix, region, endpoint } => {
            Some(Arc::new(of_s3(bucket, prefix, region, endpoint.as_ref())?))
        }
    })
}

/// Where snapshots are kept when that is a service; `None` when it is the target's own folder.
pub(crate) fn for_snapshots(store: &Store) -> Option<Arc<dyn SnapshotStore>> {
    let opened: Result<Arc<dyn SnapshotStore>, Failure> = match store {
        Store::Directory { .. } | Store::KubernetesSecret => return None,
        Store::GoogleStorage { bucket, prefix } => {
            of_google(bucket, prefix).map(|store| Arc::new(store) as _)
        }
        Store::S3 { bucket, prefix, region, endpoint } => {
            of_s3(bucket, prefix, region, endpoint.as_ref()).map(|store| Arc::new(store) as _)
        }
    };
    Some(opened.unwrap_or_else(|failure| Arc::new(Shut::of(store, &failure))))
}

fn of_google(bucket: &Bucket, prefix: &Prefix) -> Result<GoogleStorage, Failure> {
    let (account, at) = google("STORAGE_EMULATOR_HOST")?;
    GoogleStorage::new(account, at.as_ref(), bucket.clone(), prefix.clone()).map_err(failed)
}

fn of_s3(
    bucket: &Bucket,
    prefix: &Prefix,
    region: &AwsRegion,
    endpoint: Option<&Web>,
) -> Result<S3, Failure> {
    let at = aws("AWS_ENDPOINT_URL_S3", endpoint)?;
    let (bucket, prefix) = (bucket.clone(), prefix.clone());
    S3::new(account(region)?, region.clone(), at.as_ref(), bucket, prefix).map_err(failed)
}

async fn encryption(
    encryption: &Encryption,
    store: &dyn KeyStore,
    own: &dyn Own,
) -> Result<Arc<dyn KeyEncryption>, Failure> {
    match not_beside(encryption)? {
        Some(encryption) => Ok(encryption),
        None => own.encryption(store).await,
    }
}

/// What opens the keys and is not kept by the target; `None` when the target keeps it.
fn not_beside(encryption: &Encryption) -> Result<Option<Arc<dyn KeyEncryption>>, Failure> {
    Ok(Some(match encryption {
        Encryption::Local => return Ok(None),
        Encryption::GoogleKms { key } => {
            // Google's own tools go there when they are told so.
            let (account, at) = google("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS")?;
            Arc::new(GoogleKms::new(account, at.as_ref(), key.clone()).map_err(failed)?)
        }
        Encryption::AwsKms { key, region, endpoint } => {
            let at = aws("AWS_ENDPOINT_URL_KMS", endpoint.as_ref())?;
            let kms = AwsKms::new(account(region)?, region.clone(), at.as_ref(), key.clone());
            Arc::new(kms.map_err(failed)?)
        }
        Encryption::Transit(transit) => {
            Arc::new(TransitEncryption::new(transit.clone()).map_err(bad_input)?)
        }
        Encryption::Age { recipients, identity_file } => {
            let age = AgeEncryption::new(recipients, identity_file.clone());
            Arc::new(age.map_err(bad_input)?)
        }
        Encryption::Pkcs11 { module, token, key, pin_file } => {
            let place = Place {
                module: module.clone(),
                token: token.clone(),
                key: key.clone(),
                pin_file: pin_file.clone(),
            };
            let random = Arc::new(SystemRandom);
            Arc::new(Pkcs11Encryption::new(place, random).map_err(failed)?)
        }
    }))
}

/// The keys that vault-init left in a bucket of Google, opened by the key that it used; `None` when
/// there are none.
pub(crate) async fn left_by_vault_init(
    bucket: Bucket,
    key: GoogleKey,
    name: &ClusterName,
) -> Result<Option<LeftKeys>, Failure> {
    let (account, at) = google("STORAGE_EMULATOR_HOST")?;
    let storage = GoogleStorage::new(account, at.as_ref(), bucket, Prefix::of(name));
    let storage = storage.map_err(failed)?;
    let (account, at) = google("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS")?;
    let kms = GoogleKms::new(account, at.as_ref(), key).map_err(failed)?;
    Takeover { storage: &storage, kms: &kms }.read().await.map_err(failed)
}

/// Google's service at its own address with the platform's account, or the emulator that a variable
/// names. A token is never shown to an emulator.
fn google(variable: &str) -> Result<(GoogleAccount, Option<Web>), Failure> {
    match address(variable, Web::of_emulator)? {
        Some(at) => Ok((GoogleAccount::anonymous(), Some(at))),
        None => Ok((GoogleAccount::ambient().map_err(failed)?, None)),
    }
}

fn account(region: &AwsRegion) -> Result<vaultyard_aws::Account, Failure> {
    vaultyard_aws::Account::ambient(region).map_err(failed)
}

/// Where a service of AWS is: as the document says, else as the variables say that all programs heed.
fn aws(variable: &str, endpoint: Option<&Web>) -> Result<Option<Web>, Failure> {
    if let Some(endpoint) = endpoint {
        return Ok(Some(endpoint.clone()));
    }
    match address(variable, Web::new)? {
        Some(at) => Ok(Some(at)),
        None => address("AWS_ENDPOINT_URL", Web::new),
    }
}

/// The address in a variable of the environment.
fn address(variable: &str, read: fn(&str) -> Option<Web>) -> Result<Option<Web>, Failure> {
    let Some(text) = system::variable(variable) else { return Ok(None) };
    let wrong = || {
        let text = format!("{variable} is {text:?}, which is no address of a service");
        let hint = "write scheme, host and port, or unset it; http is for this machine only";
        Failure::text(Kind::BadInput, text).hint(hint)
    };
    read(&text).map(Some).ok_or_else(wrong)
}
