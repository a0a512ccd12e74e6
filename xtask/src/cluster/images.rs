//! The images that pods start from.

use std::path::PathBuf;

use crate::cluster::layout::Layout;
use crate::cluster::services;
use crate::image::{self, Kind};
use crate::shell::write;

/// The references by which they are pulled, each by digest.
pub(crate) struct References {
    /// Ours.
    pub(crate) vaultyard: String,
    /// That of the servers.
    pub(crate) server: String,
}

/// Makes our image and that of the servers, puts both into the registry and notes their references.
/// What has not changed is neither built nor packed nor sent again.
pub(super) fn load(layout: &Layout, with_faults: bool) -> Result<References, String> {
    let one = |kind| {
        let made = image::make(kind)?;
        services::push(&made.path, &made.name)
    };
    let ours = if with_faults { Kind::VaultyardWithFaults } else { Kind::Vaultyard };
    let made = References { vaultyard: one(ours)?, server: one(Kind::OpenBao)? };
    write(&note(layout), format!("{}\n{}\n", made.vaultyard, made.server))?;
    Ok(made)
}

/// What was loaded last.
pub(super) fn loaded(layout: &Layout) -> Option<References> {
    let noted = std::fs::read_to_string(note(layout)).ok()?;
    let (vaultyard, server) = noted.trim_end().split_once('\n')?;
    Some(References { vaultyard: vaultyard.to_owned(), server: server.to_owned() })
}

/// Beside the registry's data, which goes with the cluster.
fn note(layout: &Layout) -> PathBuf {
    layout.state.join("registry/images")
}
