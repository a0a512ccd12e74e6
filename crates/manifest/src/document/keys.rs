//! `spec.keys`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Planned;
use crate::scalar::Written;

/// How the unseal key is split, encrypted and kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// Into how many shares the unseal key is split when the cluster is initialised.
    #[schemars(range(min = 1, max = 255))]
    pub(crate) shares: u8,
    /// How many of the shares unseal a server: at most `shares`, and 1 only when there is one share.
    #[schemars(range(min = 1, max = 255))]
    pub(crate) threshold: u8,
    /// What encrypts the shares before they are kept.
    pub(crate) encryption: Encryption,
    /// Where the encrypted shares are kept. What is written there once is never overwritten.
    pub(crate) store: Store,
}

impl Default for Keys {
    fn default() -> Self {
        Self { shares: 5, threshold: 3, encryption: Encryption::default(), store: Store::default() }
    }
}

/// What encrypts the shares.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Encryption {
    /// A key-encryption key that Vaultyard makes and keeps beside the data, in a file of its own that
    /// only its owner reads. Status calls this "key beside data".
    ///
    /// It is good for trials, laptops and CI jobs: nothing else is needed, and a cluster that was
    /// stopped starts again by itself. It is not for production: who copies the disk has both the
    /// encrypted shares and the key that opens them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) local: Option<Local>,
    /// A key in Google Cloud KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_kms: Option<Planned>,
    /// A key in AWS KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aws_kms: Option<Planned>,
    /// A key in Azure Key Vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azure_key_vault: Option<Planned>,
    /// A key in the transit engine of another cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transit: Option<Planned>,
    /// A key in a hardware security module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pkcs11: Option<Planned>,
    /// The keys of people, who are then needed to unseal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age: Option<Planned>,
}

impl Default for Encryption {
    fn default() -> Self {
        Self {
            local: Some(Local {}),
            google_kms: None,
            aws_kms: None,
            azure_key_vault: None,
            transit: None,
            pkcs11: None,
            age: None,
        }
    }
}

/// A key-encryption key beside the data. There is nothing to choose.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Local {}

/// Where the encrypted shares are kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Store {
    /// A folder on this machine; a Secret on Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<Directory>,
    /// A bucket of Google Cloud Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_storage: Option<Planned>,
    /// A bucket of S3 or of a store that speaks its protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) s3: Option<Planned>,
    /// A container of Azure Blob Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azure_blob: Option<Planned>,
    /// A Secret with a name of your choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kubernetes_secret: Option<Planned>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            directory: Some(Directory::default()),
            google_storage: None,
            s3: None,
            azure_blob: None,
            kubernetes_secret: None,
        }
    }
}

/// A folder.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Directory {
    /// The folder. It must be on a disk that outlives the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-vaultyard-support" = "local",
        "x-vaultyard-default" = "a folder of its own within the state directory"
    ))]
    pub(crate) path: Option<Written<PathBuf>>,
}

impl Keys {
    /// The folder that was named.
    pub(crate) fn directory(&self) -> Option<&Written<PathBuf>> {
        self.store.directory.as_ref()?.path.as_ref()
    }
}
