//! The cluster's own certificate authority: a root, and below it one CA for servers and one for
//! clients, each with a key of its own.
//!
//! The files lie in `ca/`: `root.crt`, `servers.crt`, `clients.crt`, and a `.key` beside each. A
//! key is on disk before its certificate is, so that a crash in between leaves nothing that
//! anybody trusts: the next run makes the certificate for the key that is there. Nothing that
//! exists is ever overwritten.

mod ca;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use vaultyard_model::port::clock::Random;
use vaultyard_model::{ClusterName, Secret};

use self::ca::{Ca, Place};
use crate::inspect::{self, Certificate};
use crate::store::{self, FileError};
use crate::wanted::{Usage, Wanted};

const DAY: Duration = Duration::from_secs(86_400);
/// Ten years.
const ROOT_LIFETIME: Duration = DAY.saturating_mul(3_653);
/// Five years.
const CA_LIFETIME: Duration = DAY.saturating_mul(1_827);

/// Why the authority cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file could not be read or written.
    #[error("the certificate authority's files cannot be used")]
    File(#[from] FileError),
    /// A file holds something else than it should.
    #[error("{} {what}; {}", file.display(), remedy(file))]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A certificate is there without its key.
    #[error("{} is missing, without which {} signs nothing; {}", key.display(),
        certificate.display(), remedy(key))]
    KeyMissing {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// Key and certificate are not of one pair.
    #[error("{} is not the key of {}; {}", key.display(), certificate.display(), remedy(key))]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The root is missing, and another CA, which it signed, is there.
    #[error("{} is missing, but not {}, which it signed; {}", root.display(), found.display(),
        remedy(root))]
    RootMissing {
        /// The root's certificate.
        root: PathBuf,
        /// The file that is there.
        found: PathBuf,
    },
    /// A CA was signed by another root.
    #[error("{} is not signed by {}; {}", file.display(), root.display(), remedy(file))]
    ForeignIssuer {
        /// The CA's certificate.
        file: PathBuf,
        /// The root's certificate.
        root: PathBuf,
    },
    /// No random number or key could be made, or nothing signed.
    #[error("the certificate authority cannot be made: {0}")]
    Crypto(String),
}

/// What helps when a file of the authority is lost or wrong.
fn remedy(file: &Path) -> String {
    let folder = file.parent().unwrap_or(file).display();
    format!(
        "restore the folder {folder} from a backup, or move it away to start a new authority, \
         whose new root every client must then be given"
    )
}

/// Why no leaf can be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The clock stands outside the authority's validity.
    #[error(
        "the clock says {now}, and {subject} is valid from {not_before} to {not_after}: set the \
         clock right, or start a new authority"
    )]
    NotValid {
        /// The CA.
        subject: String,
        /// The first moment of its validity.
        not_before: Timestamp,
        /// The last moment of its validity.
        not_after: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// No random number or key could be made, or a name does not fit into a certificate.
    #[error("the certificate of {common_name} cannot be made: {what}")]
    Crypto {
        /// For whom.
        common_name: String,
        /// What failed.
        what: String,
    },
}

/// A certificate with its key, as it goes into files.
pub struct Issued {
    /// The leaf, then what leads from it to the root, in PEM.
    pub chain: String,
    /// The leaf's private key, PKCS #8 in PEM.
    pub key: Secret,
}

/// The cluster's certificate authority, ready to sign.
pub struct Authority {
    folder: PathBuf,
    root: Ca,
    servers: Ca,
    clients: Ca,
}

impl Authority {
    /// Loads the authority from `ca/` in `folder`, and makes what is not there yet. The second
    /// call with the same folder changes nothing.
    ///
    /// # Errors
    /// [`AuthorityError`] says which file is wrong and what helps.
    pub fn open(
        folder: &Path,
        cluster: &ClusterName,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let folder = folder.join("ca");
        store::private_folder(&folder)?;
        let place = |file: &str, lifetime, usage: Option<Usage>, parent| Place {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
            common_name: format!("{cluster} {file} CA"),
            lifetime,
            below: u8::from(usage.is_none()),
            usage,
            parent,
        };
        let root = place("root", ROOT_LIFETIME, None, None);
        refuse_a_second_root(&root, &folder)?;
        let root = root.open(random, now)?;
        let below = |file, usage| place(file, CA_LIFETIME, Some(usage), Some(&root));
        let servers = below("servers", Usage::Server).open(random, now)?;
        let clients = below("clients", Usage::Client).open(random, now)?;
        Ok(Self { folder, root, servers, clients })
    }

    /// The root's certificate in PEM: what everybody trusts who talks to the cluster.
    pub fn root_pem(&self) -> &str {
        &self.root.pem
    }

    /// The file of [`Self::root_pem`].
    pub fn root_file(&self) -> PathBuf {
        self.folder.join("root.crt")
    }

    /// The client CA's certificate in PEM: what logins by certificate are bound to.
    pub fn clients_pem(&self) -> &str {
        &self.clients.pem
    }

    /// Root, server CA and client CA, for people.
    pub fn certificates(&self) -> [&Certificate; 3] {
        [&self.root.certificate, &self.servers.certificate, &self.clients.certificate]
    }

    /// Makes a key and a leaf for it.
    ///
    /// # Errors
    /// [`IssueError`], also when the clock stands outside the authority's own validity.
    pub fn issue(
        &self,
        wanted: &Wanted,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        let ca = self.ca(wanted.usage);
        for certificate in [&self.root.certificate, &ca.certificate] {
            let Certificate { not_before, not_after, .. } = *certificate;
            if now < not_before || now >= not_after {
                let subject = certificate.subject.clone();
                return Err(IssueError::NotValid { subject, not_before, not_after, now });
            }
        }
        ca.issue(wanted, random, now)
            .map_err(|what| IssueError::Crypto { common_name: wanted.common_name.clone(), what })
    }

    /// The end of the validity of the CA that signs for this usage.
    pub(crate) fn not_after(&self, usage: Usage) -> Timestamp {
        self.ca(usage).certificate.not_after
    }

    /// Whether the chain, leaf first, is what this authority issues for the usage.
    pub(crate) fn issued(&self, chain: &[CertificateDer<'_>], usage: Usage) -> bool {
        let ca = self.ca(usage);
        match chain {
            [leaf, issuer] => {
                *issuer == ca.der && inspect::signed_by(leaf, &ca.der).unwrap_or(false)
            }
            _ => false,
        }
    }

    fn ca(&self, usage: Usage) -> &Ca {
        match usage {
            Usage::Server => &self.servers,
            Usage::Client => &self.clients,
        }
    }
}

/// A new root beside CAs that an older one signed would be trusted by nobody.
fn refuse_a_second_root(root: &Place<'_>, folder: &Path) -> Result<(), AuthorityError> {
    if store::exists(&root.certificate)? {
        return Ok(());
    }
    for name in ["servers.crt", "servers.key", "clients.crt", "clients.key"] {
        let found = folder.join(name);
        if store::exists(&found)? {
            return Err(AuthorityError::RootMissing { root: root.certificate.clone(), found });
        }
    }
    Ok(())
}
