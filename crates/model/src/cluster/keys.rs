//! Where the keys of a cluster are kept, and what encrypts them. No secret stands here: passwords,
//! tokens and identities are files, or what the platform gives to a process.

use std::fmt;
use std::path::PathBuf;

use super::place::{
    AgeRecipient, AwsKey, AwsRegion, Bucket, EnginePath, GoogleKey, Label, Prefix, Web,
};

/// What encrypts the shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// A key-encryption key in a file of its own beside the data: for trials.
    Local,
    /// A key in Google Cloud KMS.
    GoogleKms {
        /// The full name of the key.
        key: GoogleKey,
    },
    /// A key in AWS KMS.
    AwsKms {
        /// Its id, ARN or alias.
        key: AwsKey,
        /// Where it is.
        region: AwsRegion,
        /// Another address than the region's own.
        endpoint: Option<Web>,
    },
    /// A key in the transit engine of another cluster.
    Transit(Transit),
    /// The keys of people or machines, of which any one decrypts.
    Age {
        /// Whom it is encrypted to; never empty.
        recipients: Vec<AgeRecipient>,
        /// The file with an identity that decrypts.
        identity_file: PathBuf,
    },
    /// An AES key in a hardware security module.
    Pkcs11 {
        /// The library that speaks to the module.
        module: PathBuf,
        /// The label of the token that holds the key.
        token: Label,
        /// The label of the key.
        key: Label,
        /// The file with the PIN of the token's user.
        pin_file: PathBuf,
    },
}

/// The transit engine of another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transit {
    /// Where that cluster answers.
    pub address: Web,
    /// Where the engine is mounted.
    pub mount: EnginePath,
    /// The name of the key.
    pub key: EnginePath,
    /// The authority that its certificate comes from; the platform's own when there is none.
    pub ca_file: Option<PathBuf>,
    /// How Vaultyard gets a token there.
    pub login: TransitLogin,
}

/// How a token of another cluster is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitLogin {
    /// It stands in a file, which somebody else keeps fresh. It is read anew for each use.
    TokenFile(PathBuf),
    /// By the Kubernetes auth method, with the token of a service account.
    Kubernetes {
        /// Where the auth method is mounted.
        mount: EnginePath,
        /// The role there.
        role: EnginePath,
        /// The file with the service account's token.
        token_file: PathBuf,
    },
}

/// Where the encrypted shares are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// A folder; the target's own when no path is given. On Kubernetes Secrets.
    Directory {
        /// An absolute path.
        path: Option<PathBuf>,
    },
    /// A bucket of Google Cloud Storage.
    GoogleStorage {
        /// Its name.
        bucket: Bucket,
        /// What the names of all objects begin with.
        prefix: Prefix,
    },
    /// A bucket of S3 or of a store that speaks its protocol.
    S3 {
        /// Its name.
        bucket: Bucket,
        /// What the names of all objects begin with.
        prefix: Prefix,
        /// Where it is.
        region: AwsRegion,
        /// Another address than the region's own.
        endpoint: Option<Web>,
    },
    /// Secrets of Kubernetes.
    KubernetesSecret,
}

/// What of it must stay the same while there are keys: who changes more has lost them.
impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("a key of its own beside the data"),
            Self::GoogleKms { key } => write!(f, "Google Cloud KMS {key}"),
            Self::AwsKms { key, region, .. } => write!(f, "AWS KMS {key} in {region}"),
            Self::Transit(Transit { mount, key, .. }) => write!(f, "the transit key {mount}/{key}"),
            Self::Age { .. } => f.write_str("age"),
            Self::Pkcs11 { token, key, .. } => write!(f, "the key {key} of the token {token}"),
        }
    }
}

/// What of it must stay the same while there are keys.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path: None } => f.write_str("the state directory's own folder"),
            Self::Directory { path: Some(path) } => write!(f, "{}", path.display()),
            Self::GoogleStorage { bucket, prefix } => write!(f, "gs://{bucket}/{prefix}"),
            Self::S3 { bucket, prefix, region, .. } => {
                write!(f, "s3://{bucket}/{prefix} in {region}")
            }
            Self::KubernetesSecret => f.write_str("Secrets of Kubernetes"),
        }
    }
}
