//! Where the keys of a cluster are kept, and what encrypts them. No secret stands here: passwords,
//! tokens and identities are files, or what the platform gives to a process.

use std::fmt;
use std::path::{Path, PathBuf};

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

/// Where Kubernetes puts the token of a pod's service account.
pub const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A file that the document names, and that somebody else provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFile<'a> {
    /// The field that names it, below `spec.keys.encryption`.
    pub field: &'static str,
    /// Where it is on one machine.
    pub path: &'a Path,
}

impl<'a> KeyFile<'a> {
    /// What it is called in a Secret of Kubernetes: the last part of its path. `None` when that cannot
    /// be the name of an entry there.
    pub fn entry(&self) -> Option<&'a str> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = self.path.file_name()?.to_str()?;
        (name.len() <= 253 && name.chars().all(allowed)).then_some(name)
    }
}

impl Encryption {
    /// The files that it takes. Not among them: what a platform puts there by itself, and the library
    /// of a module, which is a program and comes with the others.
    pub fn files(&self) -> Vec<KeyFile<'_>> {
        let file = |field, path| KeyFile { field, path };
        match self {
            Self::Transit(Transit { ca_file, login, .. }) => {
                let login = match login {
                    TransitLogin::TokenFile(path) => file("transit.auth.tokenFile", path.as_path()),
                    TransitLogin::Kubernetes { token_file, .. } => {
                        file("transit.auth.kubernetes.tokenFile", token_file.as_path())
                    }
                };
                let ca = ca_file.iter().map(|path| file("transit.caCert", path.as_path()));
                let all = ca.chain([login]);
                all.filter(|file| file.path != Path::new(SERVICE_ACCOUNT_TOKEN)).collect()
            }
            Self::Age { identity_file, .. } => vec![file("age.identityFile", identity_file)],
            Self::Pkcs11 { pin_file, .. } => vec![file("pkcs11.pinFile", pin_file)],
            Self::Local | Self::GoogleKms { .. } | Self::AwsKms { .. } => Vec::new(),
        }
    }

    /// The same with its [`Self::files`] in this folder, each under the name of its
    /// [entry](KeyFile::entry).
    #[must_use]
    pub fn with_files_in(&self, folder: &Path) -> Self {
        let moved = |path: &PathBuf| match (KeyFile { field: "", path }).entry() {
            Some(entry) if path != Path::new(SERVICE_ACCOUNT_TOKEN) => folder.join(entry),
            _ => path.clone(),
        };
        match self {
            Self::Transit(transit) => Self::Transit(Transit {
                ca_file: transit.ca_file.as_ref().map(moved),
                login: match &transit.login {
                    TransitLogin::TokenFile(path) => TransitLogin::TokenFile(moved(path)),
                    TransitLogin::Kubernetes { mount, role, token_file } => {
                        let (mount, role) = (mount.clone(), role.clone());
                        TransitLogin::Kubernetes { mount, role, token_file: moved(token_file) }
                    }
                },
                ..transit.clone()
            }),
            Self::Age { recipients, identity_file } => {
                let recipients = recipients.clone();
                Self::Age { recipients, identity_file: moved(identity_file) }
            }
            Self::Pkcs11 { module, token, key, pin_file } => Self::Pkcs11 {
                module: module.clone(),
                token: token.clone(),
                key: key.clone(),
                pin_file: moved(pin_file),
            },
            Self::Local | Self::GoogleKms { .. } | Self::AwsKms { .. } => self.clone(),
        }
    }
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
impl Store {
    /// Whether it is a service of its own, where nothing goes when a cluster is removed.
    pub fn is_a_bucket(&self) -> bool {
        matches!(self, Self::GoogleStorage { .. } | Self::S3 { .. })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn transit(login: TransitLogin) -> Encryption {
        Encryption::Transit(Transit {
            address: Web::new("https://vault.example").unwrap(),
            mount: EnginePath::new("transit").unwrap(),
            key: EnginePath::new("unseal").unwrap(),
            ca_file: Some("/etc/ssl/other.pem".into()),
            login,
        })
    }

    fn paths(encryption: &Encryption) -> Vec<String> {
        encryption.files().iter().map(|file| file.path.display().to_string()).collect()
    }

    #[test]
    fn files_keep_their_names_in_another_folder() {
        let there = Encryption::Age { recipients: Vec::new(), identity_file: "/run/a/id".into() };
        assert_eq!(paths(&there), ["/run/a/id"]);
        assert_eq!(paths(&there.with_files_in(Path::new("/mnt"))), ["/mnt/id"]);
        let there = transit(TransitLogin::TokenFile("/run/token".into()));
        assert_eq!(paths(&there), ["/etc/ssl/other.pem", "/run/token"]);
        assert_eq!(
            paths(&there.with_files_in(Path::new("/mnt"))),
            ["/mnt/other.pem", "/mnt/token"]
        );
    }

    #[test]
    fn the_token_that_kubernetes_puts_there_stays_where_it_is() {
        let login = TransitLogin::Kubernetes {
            mount: EnginePath::new("kubernetes").unwrap(),
            role: EnginePath::new("vault").unwrap(),
            token_file: SERVICE_ACCOUNT_TOKEN.into(),
        };
        let there = transit(login.clone());
        assert_eq!(paths(&there), ["/etc/ssl/other.pem"]);
        let Encryption::Transit(moved) = there.with_files_in(Path::new("/mnt")) else { panic!() };
        assert_eq!(moved.login, login);
    }

    #[test]
    fn an_entry_is_what_a_secret_takes() {
        let entry = |path: &'static str| KeyFile { field: "", path: Path::new(path) }.entry();
        assert_eq!(entry("/run/a_b.C-1"), Some("a_b.C-1"));
        for wrong in ["/", "/run/..", "/run/a b", "/run/\u{fc}"] {
            assert_eq!(entry(wrong), None, "{wrong}");
        }
    }
}
