//! A certificate that a mounted Secret brings, and brings anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use vaultyard_certificates::Leaf;
use vaultyard_certificates::tls::Swappable;
use vaultyard_model::chain;

use crate::failure::{Failure, failed};
use crate::identities;

/// What is shown at handshakes; follows its file.
pub(crate) struct Mounted {
    folder: PathBuf,
    name: String,
    serial: String,
    /// The end of its validity.
    pub(crate) until: Timestamp,
    /// The certificate of now.
    pub(crate) shown: Arc<Swappable>,
}

impl Mounted {
    /// The leaf of this name that lies in the folder.
    pub(crate) fn open(folder: &Path, name: &str) -> Result<Self, Failure> {
        let leaf = Leaf::load_named(folder, name).map_err(failed)?;
        let shown = Arc::new(identities::shown(&leaf)?);
        let (folder, name) = (folder.to_owned(), name.to_owned());
        let (serial, until) = (leaf.certificate.serial, leaf.certificate.not_after);
        Ok(Self { folder, name, serial, until, shown })
    }

    /// Takes the certificate that lies there now.
    pub(crate) fn follow(&mut self) -> Result<(), String> {
        let leaf = Leaf::load_named(&self.folder, &self.name).map_err(|error| chain(&error))?;
        if leaf.certificate.serial != self.serial {
            let pair = leaf.pair().map_err(|error| chain(&error))?;
            self.shown.replace(&pair).map_err(|error| chain(&error))?;
            self.until = leaf.certificate.not_after;
            self.serial = leaf.certificate.serial;
        }
        Ok(())
    }
}
