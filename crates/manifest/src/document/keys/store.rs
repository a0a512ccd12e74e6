//! `spec.keys.store`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::{AwsRegion, Bucket, Prefix, Web};

use crate::document::Planned;
use crate::scalar::Written;

/// Where the encrypted shares are kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Store {
    /// A folder on this machine; Secrets on Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<Directory>,
    /// A bucket of Google Cloud Storage. Credentials are those of the platform, as for a key in
    /// Google Cloud KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_storage: Option<GoogleStorage>,
    /// A bucket of S3 or of a store that speaks its protocol and refuses to overwrite when it is
    /// asked to (If-None-Match). Credentials are those of the platform, as for a key in AWS KMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) s3: Option<S3>,
    /// A container of Azure Blob Storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azure_blob: Option<Planned>,
    /// Secrets in the namespace of the cluster. It is what a folder is on one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-support" = "kubernetes"))]
    pub(crate) kubernetes_secret: Option<KubernetesSecret>,
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

/// A bucket of Google Cloud Storage.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GoogleStorage {
    /// The name of the bucket. It must be there, and should keep older versions of its objects.
    #[schemars(extend("x-vaultyard-stand-in" = "vault-keys"))]
    pub(crate) bucket: Written<Bucket>,
    /// A folder within the bucket. No other cluster may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the name of the cluster; for snapshots NAME/snapshots"))]
    pub(crate) prefix: Option<Written<Prefix>>,
}

/// A bucket of S3.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct S3 {
    /// The name of the bucket. It must be there, and should keep older versions of its objects.
    #[schemars(extend("x-vaultyard-stand-in" = "vault-keys"))]
    pub(crate) bucket: Written<Bucket>,
    /// A folder within the bucket. No other cluster may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the name of the cluster; for snapshots NAME/snapshots"))]
    pub(crate) prefix: Option<Written<Prefix>>,
    /// The region of the bucket.
    #[schemars(extend("x-vaultyard-stand-in" = "eu-central-1"))]
    pub(crate) region: Written<AwsRegion>,
    /// Where to find the store, when it is not at the region's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the region's own address"))]
    pub(crate) endpoint: Option<Written<Web>>,
}

/// Secrets of Kubernetes. There is nothing to choose.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KubernetesSecret {}
