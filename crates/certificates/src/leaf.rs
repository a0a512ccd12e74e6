//! A wanted leaf, stored as `NAME.crt` (leaf, then its CA) and `NAME.key` (PKCS #8). A leaf that
//! has a folder for itself is `tls.crt` and `tls.key` there.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use vaultyard_model::port::clock::Random;

use crate::authority::{Authority, IssueError};
use crate::inspect::Certificate;
use crate::renew::{self, Issuer, Reason};
use crate::store::{FileError, Folder, Location, PemStore, certificate_name, key_name};
use crate::tls::{Pair, TlsError};
use crate::wanted::Wanted;

/// The name of a leaf that has a folder for itself.
const ALONE: &str = "tls";

/// A leaf that lies in a folder with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// What the leaf says.
    pub certificate: Certificate,
    folder: Folder,
    name: String,
}

/// What [`Leaf::ensure`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// Nothing: the leaf that was there is the right one.
    Kept,
    /// It issued a new one; whoever serves it must load it.
    Issued(Reason),
}

/// Why there is no leaf as wanted. What was stored is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// A file could not be read or written.
    #[error("the certificate's files cannot be used")]
    File(#[from] FileError),
    /// The authority could not issue it.
    #[error("no certificate can be issued")]
    Issue(#[from] IssueError),
    /// There is no pair of certificate and key.
    #[error("{certificate} or its key is missing")]
    None {
        /// Where the certificate should lie.
        certificate: Location,
    },
    /// What is there is not a pair.
    #[error("{certificate} and its key cannot be used")]
    Damaged {
        /// Where the certificate lies.
        certificate: Location,
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
        let (mut folder, name) = (Folder::new(folder), ALONE.to_owned());
        let (certificate, ensured) = keep(&mut folder, &name, wanted, authority, random, now)?;
        Ok((Self { certificate, folder, name }, ensured))
    }

    /// The leaf that has this folder for itself, whatever it is good for.
    ///
    /// # Errors
    /// [`LeafError`] when there is none, or when it and its key cannot be used.
    pub fn load(folder: &Path) -> Result<Self, LeafError> {
        Self::load_named(folder, ALONE)
    }

    /// The leaf of this name in a folder of several, whatever it is good for.
    ///
    /// # Errors
    /// [`LeafError`] when there is none, or when it and its key cannot be used.
    pub fn load_named(folder: &Path, name: &str) -> Result<Self, LeafError> {
        let folder = Folder::new(folder);
        let (certificate, _) = read(&folder, name)?;
        Ok(Self { certificate, folder, name: name.to_owned() })
    }

    /// The certificate's file.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.file(&certificate_name(&self.name))
    }

    /// The private key's file.
    pub fn key_file(&self) -> PathBuf {
        self.folder.file(&key_name(&self.name))
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
        read(&self.folder, &self.name).map(|(_, pair)| pair)
    }
}

/// Sees to it that the store holds the wanted leaf under this name, valid at `now` and not yet due.
pub(crate) fn keep(
    store: &mut dyn PemStore,
    name: &str,
    wanted: &Wanted,
    authority: &Authority,
    random: &dyn Random,
    now: Timestamp,
) -> Result<(Certificate, Ensured), LeafError> {
    store.prepare()?;
    let reason = match read(store, name) {
        Ok((leaf, pair)) => {
            let same = authority.issued(&pair.chain, wanted.usage);
            let issuer = Issuer { same, not_after: authority.not_after(wanted.usage) };
            match renew::reason(&leaf, wanted, issuer, now) {
                None => return Ok((leaf, Ensured::Kept)),
                Some(reason) => reason,
            }
        }
        Err(LeafError::None { .. }) => Reason::Missing,
        Err(LeafError::Damaged { .. }) => Reason::Damaged,
        Err(error) => return Err(error),
    };
    let issued = authority.issue(wanted, random, now)?;
    let (certificate, key) = (certificate_name(name), key_name(name));
    store.write_pair((&key, issued.key.expose()), (&certificate, issued.chain.as_bytes()))?;
    let (leaf, _) = read(store, name)?;
    Ok((leaf, Ensured::Issued(reason)))
}

fn read(store: &dyn PemStore, name: &str) -> Result<(Certificate, Pair), LeafError> {
    let name_of_certificate = certificate_name(name);
    let found = (store.read(&name_of_certificate)?, store.read(&key_name(name))?);
    let certificate = store.location(&name_of_certificate);
    let (Some(chain), Some(key)) = found else {
        return Err(LeafError::None { certificate });
    };
    let read = || {
        let pair = Pair::from_pem(&chain, &key)?;
        Ok((Certificate::from_pem(&chain)?, pair))
    };
    read().map_err(|source| LeafError::Damaged { certificate, source })
}
