//! The rules of `spec.seal`.

use vaultyard_model::Version;

use super::{Rule, Rules};
use crate::cluster;
use crate::document::VaultCluster;

/// The first version of OpenBao that has the seals of clouds in plugins only, its previews included.
const IN_PLUGINS: &str = "2.7.0-0";

impl Rules<'_, '_> {
    pub(super) fn seal(&mut self, document: &VaultCluster) {
        // What cannot be read was reported where it stands.
        let Some(Ok(Some(seal))) = document.spec.seal.as_ref().map(cluster::seal) else { return };
        if seal.kind() == "transit" {
            if seal.address().is_some_and(|address| !address.tls()) {
                let involved = ["spec.seal.transit.address"];
                self.broken(Rule::TransitInTheClear, &involved, "write https");
            }
            return;
        }
        let (Ok(version), Ok(in_plugins)) =
            (document.spec.servers.version.value(), Version::new(IN_PLUGINS))
        else {
            return;
        };
        if version >= in_plugins {
            let involved = [&format!("spec.seal.{}", seal.kind()), "spec.servers.version"];
            let hint = "use transit, or a version before 2.7, or remove spec.seal: Vaultyard then \
                        unseals the servers, by spec.keys";
            let (seal, version) = (seal.kind(), version.to_string());
            self.broken(Rule::SealInPlugin { seal, version }, &involved, hint);
        }
    }
}
