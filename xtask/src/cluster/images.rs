//! The images that pods of the tests start from.

use crate::cluster::services;
use crate::image::{self, Kind};

/// The references by which they are pulled, each by digest.
pub(crate) struct References {
    /// Ours.
    pub(crate) vaultyard: String,
    /// That of the servers.
    pub(crate) server: String,
}

/// Makes our image and that of the servers and puts both into the registry. What has not changed is
/// neither built nor packed nor sent again.
pub(super) fn load(with_faults: bool) -> Result<References, String> {
    let one = |kind| {
        let made = image::make(kind)?;
        services::push(&made.path, &made.name)
    };
    let ours = if with_faults { Kind::VaultyardWithFaults } else { Kind::Vaultyard };
    Ok(References { vaultyard: one(ours)?, server: one(Kind::OpenBao)? })
}
