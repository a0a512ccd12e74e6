//! What opens the servers by itself. No secret stands here: a token is a file, and a cloud knows its
//! machines and accounts.

use std::fmt;
use std::path::{Path, PathBuf};

use super::place::{AwsKey, AwsRegion, EnginePath, GooglePart, Web};

/// A seal of the server software, which asks it for its key whenever it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// The transit engine of another cluster.
    Transit(TransitSeal),
    /// A key in Google Cloud KMS.
    Gcpckms(GoogleSeal),
    /// A key in AWS KMS.
    Awskms(AwsSeal),
}

/// The transit engine of another cluster, as the server asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitSeal {
    /// Where that cluster answers.
    pub address: Web,
    /// Where the engine is mounted.
    pub mount_path: EnginePath,
    /// The name of the key.
    pub key_name: EnginePath,
    /// The namespace of the engine there.
    pub namespace: Option<EnginePath>,
    /// The file with the token, which the server reads when it starts.
    pub token_file: PathBuf,
    /// Whether the server leaves the token as it is, because somebody else keeps it alive.
    pub disable_renewal: bool,
    /// The authority that its certificate comes from; the platform's own when there is none.
    pub tls_ca_cert: Option<PathBuf>,
}

/// A key in Google Cloud KMS, as the server asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleSeal {
    /// The project.
    pub project: GooglePart,
    /// The location.
    pub region: GooglePart,
    /// The key ring.
    pub key_ring: GooglePart,
    /// The key.
    pub crypto_key: GooglePart,
    /// The file with credentials; those of the platform when there is none.
    pub credentials: Option<PathBuf>,
}

/// A key in AWS KMS, as the server asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSeal {
    /// Where it is.
    pub region: AwsRegion,
    /// Its id, ARN or alias.
    pub kms_key_id: AwsKey,
    /// Another address than the region's own.
    pub endpoint: Option<Web>,
}

impl Seal {
    /// The word that the server's configuration has for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transit(_) => "transit",
            Self::Gcpckms(_) => "gcpckms",
            Self::Awskms(_) => "awskms",
        }
    }

    /// The files that it names, each with its field below `spec.seal`.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Transit(transit) => {
                let ca = transit.tls_ca_cert.iter().map(|path| ("transit.tlsCaCert", path));
                let all = ca.chain([("transit.tokenFile", &transit.token_file)]);
                all.map(|(field, path)| (field, path.as_path())).collect()
            }
            Self::Gcpckms(google) => {
                let all = google.credentials.iter();
                all.map(|path| ("gcpckms.credentials", path.as_path())).collect()
            }
            Self::Awskms(_) => Vec::new(),
        }
    }

    /// The address of the service, when the document names it.
    pub fn address(&self) -> Option<&Web> {
        match self {
            Self::Transit(transit) => Some(&transit.address),
            Self::Awskms(aws) => aws.endpoint.as_ref(),
            Self::Gcpckms(_) => None,
        }
    }
}

/// What of it must stay the same while there is data: who changes more cannot open it.
impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transit(TransitSeal { mount_path, key_name, .. }) => {
                write!(f, "transit by {mount_path}/{key_name}")
            }
            Self::Gcpckms(GoogleSeal { project, region, key_ring, crypto_key, .. }) => {
                write!(f, "gcpckms by {crypto_key} of {key_ring} in {region} of {project}")
            }
            Self::Awskms(AwsSeal { region, kms_key_id, .. }) => {
                write!(f, "awskms by {kms_key_id} in {region}")
            }
        }
    }
}
