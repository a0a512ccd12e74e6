//! The images that pods of the tests start from.

use crate::cluster::services;
use crate::image::{self, Kind};

/// Makes our image and that of the servers, puts both into the registry, and prints by which reference
/// each is pulled. What has not changed is neither built nor packed nor sent again.
pub(super) fn load(with_faults: bool) -> Result<(), String> {
    let ours = if with_faults { Kind::VaultyardWithFaults } else { Kind::Vaultyard };
    for (what, kind) in [("vaultyard", ours), ("server", Kind::OpenBao)] {
        let made = image::make(kind)?;
        println!("{what} {}", services::push(&made.path, &made.name)?);
    }
    Ok(())
}
