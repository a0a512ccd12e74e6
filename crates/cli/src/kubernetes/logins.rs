//! The certificates of the identities, as a Secret that is mounted brings them.

use std::path::PathBuf;
use std::sync::Arc;

use vaultyard_certificates::Leaf;
use vaultyard_certificates::tls::Swappable;
use vaultyard_model::access::Identity;
use vaultyard_model::chain;

use crate::failure::{Failure, failed};
use crate::identities;

/// What an identity shows at its logins; follows its file.
pub(crate) struct Login {
    identity: Identity,
    folder: PathBuf,
    serial: String,
    /// The certificate of now.
    pub(crate) shown: Arc<Swappable>,
}

impl Login {
    /// The certificate that lies in the folder.
    pub(crate) fn open(folder: PathBuf, identity: Identity) -> Result<Self, Failure> {
        let leaf = Leaf::load_named(&folder, identity.as_str()).map_err(failed)?;
        let shown = Arc::new(identities::shown(&leaf)?);
        Ok(Self { identity, folder, serial: leaf.certificate.serial, shown })
    }

    /// Takes the certificate that lies there now.
    pub(crate) fn follow(&mut self) -> Result<(), String> {
        let leaf = Leaf::load_named(&self.folder, self.identity.as_str());
        let leaf = leaf.map_err(|error| chain(&error))?;
        if leaf.certificate.serial != self.serial {
            let pair = leaf.pair().map_err(|error| chain(&error))?;
            self.shown.replace(&pair).map_err(|error| chain(&error))?;
            self.serial = leaf.certificate.serial;
        }
        Ok(())
    }
}
