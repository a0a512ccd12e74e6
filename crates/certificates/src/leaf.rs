//! A wanted leaf, kept in a folder as `tls.crt` (leaf, then its CA) and `tls.key` (PKCS #8).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vaultyard_model::port::clock::Random;

use crate::authority::{Authority, IssueError};
use crate::inspect::Certificate;
use crate::renew::{self, Issuer, Reason};
use crate::store::{self, FileError};
use crate::tls::{Pair, TlsError};
use crate::wanted::Wanted;

/// A leaf that lies in a folder with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What the leaf says.
    pub certificate: Certificate,
    folder: PathBuf,
}

/// What [`Leaf::ensure`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// Nothing: the leaf that was there is the right one.
    Kept,
    /// It issued a new one; whoever serves it must load it.
    Issued(Reason),
}

/// Why there is no leaf as wanted. The files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// A file could not be read or written.
    #[error("the certificate's files cannot be used")]
    File(#[from] FileError),
    /// The authority could not issue it.
    #[error("no certificate can be issued")]
    Issue(#[from] IssueError),
    /// There is no pair of certificate and key in the folder.
    #[error("{} holds no certificate with its key", folder.display())]
    None {
        /// The folder.
        folder: PathBuf,
    },
    /// What is in the folder is not a pair.
    #[error("the certificate in {} cannot be used", folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        source: TlsError,
    },
}

impl Leaf {
    /// Sees to it that the folder holds the wanted leaf, valid at `now` and not yet due. A leaf
    /// that is lost or damaged is simply issued anew: nothing depends on its key.
    ///
    /// # Errors
    /// [`LeafError`]; the files are then as they were.
    pub fn ensure(
        folder: &Path,
        wanted: &Wanted,
        authority: &Authority,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(Self, Ensured), LeafError> {
        store::private_folder(folder)?;
        let reason = match Self::open(folder) {
            Ok((leaf, pair)) => {
                let same = authority.issued(&pair.chain, wanted.usage);
                let issuer = Issuer { same, not_after: authority.not_after(wanted.usage) };
                match renew::reason(&leaf.certificate, wanted, issuer, now) {
                    None => return Ok((leaf, Ensured::Kept)),
                    Some(reason) => reason,
                }
            }
            Err(LeafError::None { .. }) => Reason::Missing,
            Err(LeafError::Damaged { .. }) => Reason::Damaged,
            Err(error) => return Err(error),
        };
        let issued = authority.issue(wanted, random, now)?;
        let (certificate, key) = (certificate_file(folder), key_file(folder));
        store::write_pair((&key, issued.key.expose()), (&certificate, issued.chain.as_bytes()))?;
        Ok((Self::load(folder)?, Ensured::Issued(reason)))
    }

    /// The leaf that lies in the folder, whatever it is good for.
    ///
    /// # Errors
    /// [`LeafError`] when there is none, or when it and its key cannot be used.
    pub fn load(folder: &Path) -> Result<Self, LeafError> {
        Self::open(folder).map(|(leaf, _)| leaf)
    }

    /// The certificate's file.
    pub fn certificate_file(&self) -> PathBuf {
        certificate_file(&self.folder)
    }

    /// The private key's file.
    pub fn key_file(&self) -> PathBuf {
        key_file(&self.folder)
    }

    /// The moment from which on it is due for renewal by its age.
    pub fn renewal(&self) -> Timestamp {
        renew::renewal(self.certificate.not_before, self.certificate.not_after)
    }

    /// Chain and key, for rustls.
    ///
    /// # Errors
    /// [`LeafError`] when the files are gone or no longer fit.
    pub fn pair(&self) -> Result<Pair, LeafError> {
        Self::open(&self.folder).map(|(_, pair)| pair)
    }

    fn open(folder: &Path) -> Result<(Self, Pair), LeafError> {
        let folder = folder.to_owned();
        let certificate = store::read(&certificate_file(&folder))?;
        let key = store::read(&key_file(&folder))?.map(zeroize::Zeroizing::new);
        let (Some(certificate), Some(key)) = (certificate, key) else {
            return Err(LeafError::None { folder });
        };
        let read = || {
            let pair = Pair::from_pem(&certificate, &key)?;
            Ok((Certificate::from_pem(&certificate)?, pair))
        };
        match read() {
            Ok((certificate, pair)) => Ok((Self { certificate, folder }, pair)),
            Err(source) => Err(LeafError::Damaged { folder, source }),
        }
    }
}

fn certificate_file(folder: &Path) -> PathBuf {
    folder.join("tls.crt")
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("tls.key")
}
