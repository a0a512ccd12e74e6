//! The rules of `spec.certificates`.

use std::time::Duration;

use super::{Rule, Rules};
use crate::document::{Certificates, Issuer};

/// Kubelet brings what has changed in a Secret into its pods after up to two minutes, and a certificate
/// has a third of its life left when it is renewed.
const LEAST_IN_PODS: Duration = Duration::from_secs(600);

impl Rules<'_, '_> {
    /// A certificate that is over before pods have the next one.
    pub(super) fn lifetimes(&mut self, certificates: &Certificates) {
        self.lifetime("servers", &certificates.servers);
        self.lifetime("public", &certificates.public);
    }

    fn lifetime(&mut self, name: &str, issuer: &Issuer) {
        let Some(lifetime) = issuer.private_ca.as_ref().map(|own| &own.lifetime) else { return };
        // What cannot be read was reported where it stands.
        if lifetime.value().is_ok_and(|lifetime| lifetime < LEAST_IN_PODS) {
            let path = format!("spec.certificates.{name}.privateCa.lifetime");
            self.broken(Rule::OverBeforeItIsRenewed, &[&path], "write 10m or more");
        }
    }
}
