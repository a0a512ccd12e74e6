//! `spec.dns`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::DnsName;

use super::Planned;
use crate::scalar::Written;

/// Names for what runs.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = RULES))]
pub(crate) struct Dns {
    /// The zone that holds the names of the cluster.
    pub(crate) zone: Written<DnsName>,
    /// The name that clients use. It lies in `zone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the name of the cluster, then the zone"))]
    pub(crate) host: Option<Written<DnsName>>,
    /// Who answers for the zone.
    pub(crate) provider: Provider,
    /// Which changes of records are made without asking a person.
    pub(crate) policy: DnsPolicy,
}

/// The rule between fields in the language of the API server; see `rules.rs`. Names that end in a dot,
/// as names may, are left to that.
const RULES: [[&str; 2]; 1] = [[
    "!has(self.host) || self.host.endsWith('.') || has(self.zone) && self.zone.endsWith('.') || \
     self.host == (has(self.zone) ? self.zone : 'vault.test') || \
     self.host.endsWith('.' + (has(self.zone) ? self.zone : 'vault.test'))",
    "host lies in zone, which is vault.test where it is not given",
]];

impl Default for Dns {
    fn default() -> Self {
        Self {
            zone: Written::new("vault.test"),
            host: None,
            provider: Provider::default(),
            policy: DnsPolicy::UpsertOnly,
        }
    }
}

/// Who answers for the zone.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Provider {
    /// The authoritative server within Vaultyard. Nothing else need be installed, and nobody but who
    /// asks it sees the names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embedded: Option<Embedded>,
    /// Google Cloud DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_cloud_dns: Option<Planned>,
    /// A server that takes dynamic updates (RFC 2136), such as BIND.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rfc2136: Option<Planned>,
    /// The API of PowerDNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) powerdns: Option<Planned>,
}

impl Default for Provider {
    fn default() -> Self {
        Self { embedded: Some(Embedded {}), google_cloud_dns: None, rfc2136: None, powerdns: None }
    }
}

/// The authoritative server within Vaultyard. There is nothing to choose.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Embedded {}

/// Which changes of records are made without asking a person.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DnsPolicy {
    /// New records only.
    CreateOnly,
    /// New and changed records.
    UpsertOnly,
    /// New, changed and removed records.
    Sync,
}
