//! `spec.seal`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::{AwsKey, AwsRegion, EnginePath, GooglePart, Web};

use crate::document::Planned;
use crate::scalar::Written;

/// What opens the servers by itself. The fields are those of the `seal` stanza of OpenBao.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Seal {
    /// A key in the transit engine of another Vault or OpenBao cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-support" = "local"))]
    pub(crate) transit: Option<TransitSeal>,
    /// A key in Google Cloud KMS, for OpenBao before 2.7: later versions have this seal in a plugin
    /// only, which Vaultyard does not deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gcpckms: Option<GoogleSeal>,
    /// A key in AWS KMS, for OpenBao before 2.7: later versions have this seal in a plugin only, which
    /// Vaultyard does not deliver. Credentials are those of the machine's role or of the pod's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) awskms: Option<AwsSeal>,
    /// A key in Azure Key Vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azurekeyvault: Option<Planned>,
    /// A key in a hardware security module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pkcs11: Option<Planned>,
}

/// A key in the transit engine of another cluster.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TransitSeal {
    /// Where the other cluster answers.
    #[schemars(extend("x-vaultyard-stand-in" = "https://vault.example:8200"))]
    pub(crate) address: Written<Web>,
    /// Where the engine is mounted.
    #[serde(default = "mount_path")]
    pub(crate) mount_path: Written<EnginePath>,
    /// The name of the key.
    #[schemars(extend("x-vaultyard-stand-in" = "vault"))]
    pub(crate) key_name: Written<EnginePath>,
    /// The namespace of the engine there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the root namespace"))]
    pub(crate) namespace: Option<Written<EnginePath>>,
    /// A file with a token and nothing behind it, not even the end of a line: the server refuses such
    /// a token. It is read when a server starts.
    #[schemars(extend("x-vaultyard-stand-in" = "/run/vaultyard/seal-token"))]
    pub(crate) token_file: Written<PathBuf>,
    /// Whether the servers leave the token as it is, because somebody else keeps it alive. Otherwise
    /// they renew it.
    #[serde(default)]
    pub(crate) disable_renewal: bool,
    /// A file with the certificate of the authority that the other cluster's certificate comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the authorities that this machine trusts"))]
    pub(crate) tls_ca_cert: Option<Written<PathBuf>>,
}

fn mount_path() -> Written<EnginePath> {
    Written::new("transit")
}

/// A key in Google Cloud KMS.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GoogleSeal {
    /// The project of the key.
    #[schemars(extend("x-vaultyard-stand-in" = "p"))]
    pub(crate) project: Written<GooglePart>,
    /// The location of its key ring.
    #[schemars(extend("x-vaultyard-stand-in" = "global"))]
    pub(crate) region: Written<GooglePart>,
    /// Its key ring.
    #[schemars(extend("x-vaultyard-stand-in" = "r"))]
    pub(crate) key_ring: Written<GooglePart>,
    /// A symmetric key. Its older versions must be kept.
    #[schemars(extend("x-vaultyard-stand-in" = "k"))]
    pub(crate) crypto_key: Written<GooglePart>,
    /// A file with credentials of Google.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-vaultyard-support" = "local",
        "x-vaultyard-default" = "the machine's account, or workload identity"
    ))]
    pub(crate) credentials: Option<Written<PathBuf>>,
}

/// A key in AWS KMS.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AwsSeal {
    /// The region of the key.
    #[schemars(extend("x-vaultyard-stand-in" = "eu-central-1"))]
    pub(crate) region: Written<AwsRegion>,
    /// The id, ARN or alias of a symmetric key.
    #[schemars(extend("x-vaultyard-stand-in" = "alias/vault"))]
    pub(crate) kms_key_id: Written<AwsKey>,
    /// Where to find AWS KMS, when it is not at the region's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the region's own address"))]
    pub(crate) endpoint: Option<Written<Web>>,
}
