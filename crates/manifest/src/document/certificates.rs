//! `spec.certificates`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Planned;
use crate::scalar::Written;

/// Who issues which certificates.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Certificates {
    /// Certificates between servers, proxy and controllers.
    pub(crate) servers: Issuer,
    /// The certificate that clients see.
    pub(crate) public: Issuer,
}

/// An issuer of certificates.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Issuer {
    /// The cluster's own certificate authority. Clients need its certificate, which `vaultyard env`
    /// points them to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) private_ca: Option<PrivateCa>,
    /// An authority that speaks ACME (RFC 8555).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acme: Option<Planned>,
    /// Certificates that somebody else renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) existing: Option<Planned>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self { private_ca: Some(PrivateCa::default()), acme: None, existing: None }
    }
}

/// The cluster's own certificate authority.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct PrivateCa {
    /// How long a certificate is valid: on Kubernetes 10m or more. It is renewed after two thirds of
    /// this, without restarting anything.
    #[schemars(extend("x-vaultyard-least" = "30s", "x-vaultyard-most" = "8760h"))]
    pub(crate) lifetime: Written<Duration>,
}

impl Default for PrivateCa {
    fn default() -> Self {
        Self { lifetime: Written::new("720h") }
    }
}
