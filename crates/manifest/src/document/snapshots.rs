//! `spec.snapshots`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Planned;
use super::keys::{GoogleStorage, S3};
use crate::scalar::Written;

/// Snapshots of the data that are taken by themselves, beside those that a person asks for and the one before
/// each change of version.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Snapshots {
    /// How often one is taken of the server that leads: when the newest that there is, is as old.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-vaultyard-least" = "10s",
        "x-vaultyard-most" = "8760h",
        "x-vaultyard-default" = "none are taken by themselves"
    ))]
    pub(crate) interval: Option<Written<Duration>>,
    /// How many of those that were taken by themselves are kept in each place; older ones are removed.
    /// Others stay until somebody removes them.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) retain: u16,
    /// Where they are kept, encrypted. They are taken into a folder first, and what lies there from before
    /// there was a bucket stays.
    pub(crate) store: SnapshotStore,
}

/// Where snapshots are kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct SnapshotStore {
    /// A folder of the state directory; on Kubernetes the volume of the server that led. There is
    /// nothing to choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<OwnFolder>,
    /// A bucket of Google Cloud Storage. Credentials are those of the platform, as for a key in
    /// Google Cloud KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_storage: Option<GoogleStorage>,
    /// A bucket of S3 or of a store that speaks its protocol. Credentials are those of the platform, as for
    /// a key in AWS KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) s3: Option<S3>,
    /// A container of Azure Blob Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azure_blob: Option<Planned>,
}

impl Default for SnapshotStore {
    fn default() -> Self {
        Self { directory: Some(OwnFolder {}), google_storage: None, s3: None, azure_blob: None }
    }
}

/// The target's own folder.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnFolder {}

impl Default for Snapshots {
    fn default() -> Self {
        Self { interval: None, retain: 7, store: SnapshotStore::default() }
    }
}
