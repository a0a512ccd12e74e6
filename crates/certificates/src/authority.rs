//! The cluster's own certificate authority: a root, and below it one CA for servers and one for
//! clients, each with a key of its own.
//!
//! In their store they are `root.crt`, `servers.crt`, `clients.crt`, and a `.key` beside each. A
//! key is stored before its certificate is, so that a crash in between leaves nothing that
//! anybody trusts: the next run makes the certificate for the key that is there. Nothing that
//! exists is ever overwritten.

mod ca;

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use vaultyard_model::port::clock::Random;
use vaultyard_model::{ClusterName, Secret};

use self::ca::{Ca, Plan};
use crate::inspect::{self, Certificate};
use crate::store::{FileError, Location, PemStore, certificate_name};
use crate::wanted::{Usage, Wanted};

/// The name of the root in its store.
const ROOT: &str = "root";
const DAY: Duration = Duration::from_secs(86_400);
/// Ten years.
const ROOT_LIFETIME: Duration = DAY.saturating_mul(3_653);
/// Five years.
const CA_LIFETIME: Duration = DAY.saturating_mul(1_827);

/// Why the authority cannot be used. Nothing that was there was changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file could not be read or written.
    #[error("the certificate authority's files cannot be used")]
    File(#[from] FileError),
    /// A text holds something else than it should.
    #[error("{file} {what}; {}", file.remedy())]
    Damaged {
        /// Which one.
        file: Location,
        /// What is wrong with it.
        what: String,
    },
    /// A certificate is there without its key.
    #[error("{key} is missing, without which {certificate} signs nothing; {}", key.remedy())]
    KeyMissing {
        /// Where the key should lie.
        key: Location,
        /// Where the certificate lies.
        certificate: Location,
    },
    /// Key and certificate are not of one pair.
    #[error("{key} is not the key of {certificate}; {}", key.remedy())]
    KeyMismatch {
        /// Where the key lies.
        key: Location,
        /// Where the certificate lies.
        certificate: Location,
    },
    /// The root is missing, and another CA, which it signed, is there.
    #[error("{root} is missing, but not {found}, which it signed; {}", root.remedy())]
    RootMissing {
        /// The root's certificate.
        root: Location,
        /// The text that is there.
        found: Location,
    },
    /// A CA was signed by another root.
    #[error("{file} is not signed by {root}; {}", file.remedy())]
    ForeignIssuer {
        /// The CA's certificate.
        file: Location,
        /// The root's certificate.
        root: Location,
    },
    /// No random number or key could be made, or nothing signed.
    #[error("the certificate authority cannot be made: {0}")]
    Crypto(String),
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

/// A certificate with its key, as it is stored.
pub struct Issued {
    /// The leaf, then what leads from it to the root, in PEM.
    pub chain: String,
    /// The leaf's private key, PKCS #8 in PEM.
    pub key: Secret,
}

/// The cluster's certificate authority, ready to sign.
pub struct Authority {
    root: Ca,
    servers: Ca,
    clients: Ca,
}

impl Authority {
    /// Loads the authority from its store, and makes what is not there yet. The second call with
    /// the same store changes nothing.
    ///
    /// A caller whose store is [`crate::Entries`] stores them before it uses the authority: what
    /// one that was never stored has signed, the next one does not know.
    ///
    /// # Errors
    /// [`AuthorityError`] says what is wrong, where, and what helps. What was made until then is
    /// in the store; entries are better dropped.
    pub fn open(
        store: &mut dyn PemStore,
        cluster: &ClusterName,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        store.prepare()?;
        refuse_a_second_root(store)?;
        let plan = |name, lifetime, usage: Option<Usage>, parent| Plan {
            name,
            common_name: format!("{cluster} {name} CA"),
            lifetime,
            below: u8::from(usage.is_none()),
            usage,
            parent,
        };
        let root = plan(ROOT, ROOT_LIFETIME, None, None).open(store, random, now)?;
        let below = |name, usage| plan(name, CA_LIFETIME, Some(usage), Some(&root));
        let servers = below("servers", Usage::Server).open(store, random, now)?;
        let clients = below("clients", Usage::Client).open(store, random, now)?;
        Ok(Self { root, servers, clients })
    }

    /// Whether the store holds a root, so that [`open`](Self::open) makes no new one.
    ///
    /// # Errors
    /// [`FileError`] when that cannot be read.
    pub fn has_root(store: &dyn PemStore) -> Result<bool, FileError> {
        Ok(store.read(&certificate_name(ROOT))?.is_some())
    }

    /// The root's certificate in PEM: what everybody trusts who talks to the cluster.
    pub fn root_pem(&self) -> &str {
        &self.root.pem
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
fn refuse_a_second_root(store: &dyn PemStore) -> Result<(), AuthorityError> {
    if Authority::has_root(store)? {
        return Ok(());
    }
    for name in ["servers.crt", "servers.key", "clients.crt", "clients.key"] {
        if store.read(name)?.is_some() {
            let root = store.location(&certificate_name(ROOT));
            let found = store.location(name);
            return Err(AuthorityError::RootMissing { root, found });
        }
    }
    Ok(())
}
