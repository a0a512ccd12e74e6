//! `spec.keys.encryption`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::{
    AgeRecipient, AwsKey, AwsRegion, EnginePath, GoogleKey, Label, SERVICE_ACCOUNT_TOKEN, Web,
};

use crate::document::Planned;
use crate::scalar::Written;

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
    /// A key in Google Cloud KMS. Credentials are those of the platform: workload identity, the
    /// machine's service account, or the file that GOOGLE_APPLICATION_CREDENTIALS names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_kms: Option<GoogleKms>,
    /// A key in AWS KMS. Credentials are those of the platform: web identity, pod identity, the
    /// machine's role, or the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aws_kms: Option<AwsKms>,
    /// A key in Azure Key Vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azure_key_vault: Option<Planned>,
    /// A key in the transit engine of another Vault or OpenBao cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transit: Option<Transit>,
    /// A key in a hardware security module, spoken to by its own library. On Kubernetes this takes an
    /// image of your own for Vaultyard, with the library in it: the usual one holds one static program,
    /// which cannot load any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pkcs11: Option<Pkcs11>,
    /// Keys of age, of which any one opens the shares. One of them is kept where Vaultyard runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age: Option<Age>,
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

/// A key in Google Cloud KMS.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GoogleKms {
    /// The full name of a symmetric key, without a version. Its older versions must be kept: they
    /// open what was encrypted before a rotation.
    #[schemars(extend("x-vaultyard-stand-in" = "projects/p/locations/l/keyRings/r/cryptoKeys/k"))]
    pub(crate) key: Written<GoogleKey>,
}

/// A key in AWS KMS.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AwsKms {
    /// The id, ARN or alias of a symmetric key.
    #[schemars(extend("x-vaultyard-stand-in" = "alias/vault"))]
    pub(crate) key_id: Written<AwsKey>,
    /// The region of the key.
    #[schemars(extend("x-vaultyard-stand-in" = "eu-central-1"))]
    pub(crate) region: Written<AwsRegion>,
    /// Where to find AWS KMS, when it is not at the region's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the region's own address"))]
    pub(crate) endpoint: Option<Written<Web>>,
}

/// A key in the transit engine of another cluster.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = TRANSIT_RULES))]
pub(crate) struct Transit {
    /// Where the other cluster answers.
    #[schemars(extend("x-vaultyard-stand-in" = "https://vault.example:8200"))]
    pub(crate) address: Written<Web>,
    /// Where the engine is mounted.
    #[serde(default = "transit_mount")]
    pub(crate) mount: Written<EnginePath>,
    /// The name of the key. Its type must take associated data: aes256-gcm96, aes128-gcm96 or
    /// chacha20-poly1305.
    #[schemars(extend("x-vaultyard-stand-in" = "vault"))]
    pub(crate) key: Written<EnginePath>,
    /// A file with the certificate of the authority that the other cluster's certificate comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the authorities that this machine trusts"))]
    pub(crate) ca_cert: Option<Written<PathBuf>>,
    /// How Vaultyard gets a token of the other cluster.
    #[schemars(extend("x-vaultyard-stand-in" = {"tokenFile": "/run/vaultyard/transit-token"}))]
    pub(crate) auth: TransitAuth,
}

/// The rule in the language of the API server; see `rules.rs`.
const TRANSIT_RULES: [[&str; 2]; 1] = [[
    "self.address.startsWith('https://')",
    "the transit engine is spoken to over https only: data keys go there",
]];

fn transit_mount() -> Written<EnginePath> {
    Written::new("transit")
}

/// How Vaultyard gets a token of the other cluster.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct TransitAuth {
    /// A file with a token, which somebody else keeps fresh. It is read anew for each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<Written<PathBuf>>,
    /// The Kubernetes auth method of the other cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kubernetes: Option<KubernetesAuth>,
}

/// The Kubernetes auth method of another cluster.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KubernetesAuth {
    /// Where it is mounted.
    #[serde(default = "kubernetes_mount")]
    pub(crate) mount: Written<EnginePath>,
    /// The role to log in as.
    #[schemars(extend("x-vaultyard-stand-in" = "vault"))]
    pub(crate) role: Written<EnginePath>,
    /// A file with the token of the service account. It is read anew for each login.
    #[serde(default = "service_account_token")]
    pub(crate) token_file: Written<PathBuf>,
}

fn kubernetes_mount() -> Written<EnginePath> {
    Written::new("kubernetes")
}

fn service_account_token() -> Written<PathBuf> {
    Written::new(SERVICE_ACCOUNT_TOKEN)
}

/// An AES key in a hardware security module.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pkcs11 {
    /// The PKCS#11 library of the module; on Kubernetes within the image of Vaultyard.
    #[schemars(extend("x-vaultyard-stand-in" = "/usr/lib/softhsm/libsofthsm2.so"))]
    pub(crate) module: Written<PathBuf>,
    /// The label of the token that holds the key.
    #[schemars(extend("x-vaultyard-stand-in" = "vault"))]
    pub(crate) token_label: Written<Label>,
    /// The label of an AES key that may encrypt and decrypt with GCM.
    #[schemars(extend("x-vaultyard-stand-in" = "vault"))]
    pub(crate) key_label: Written<Label>,
    /// A file with the PIN of the token's user, which only its owner may read.
    #[schemars(extend("x-vaultyard-stand-in" = "/run/vaultyard/pin"))]
    pub(crate) pin_file: Written<PathBuf>,
}

/// Keys of age.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = AGE_RULES))]
pub(crate) struct Age {
    /// The public keys that the shares are encrypted to.
    #[schemars(extend("uniqueItems" = true, "x-vaultyard-stand-in" = []))]
    pub(crate) recipients: Vec<Written<AgeRecipient>>,
    /// A file with the identity of one of them, which only its owner may read.
    #[schemars(extend("x-vaultyard-stand-in" = "/run/vaultyard/identity"))]
    pub(crate) identity_file: Written<PathBuf>,
}

/// The rule in the language of the API server; see `rules.rs`.
const AGE_RULES: [[&str; 2]; 1] =
    [["size(self.recipients) > 0", "age encrypts to nobody: there are no recipients"]];
