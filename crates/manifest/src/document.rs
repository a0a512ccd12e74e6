//! The types of the documents. They are the one description of every field: its name, its type, its
//! default, its bounds and its words (the doc comment, which `explain` and the schemas show).
//!
//! Schema extensions that the shape understands:
//!
//! | extension | says |
//! |---|---|
//! | `x-vaultyard-support` | `planned`: known, refused on every target; `local`, `kubernetes`: refused elsewhere |
//! | `x-vaultyard-format` | the form of a text |
//! | `x-vaultyard-least`, `-most` | bounds of a duration or an amount |
//! | `x-vaultyard-default` | a default that depends on other fields, in words |
//! | `x-vaultyard-why` | why values out of bounds are refused |
//! | `x-vaultyard-stand-in` | what a required field counts as while it is wrong |
//! | `x-vaultyard-one-of` | exactly one of the fields is given |
//! | `x-vaultyard-rules` | rules between fields for the API server: pairs of an expression and a text |

mod certificates;
mod dns;
mod ingress;
pub(crate) mod keys;
mod monitoring;
pub(crate) mod seal;
mod servers;
mod snapshots;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use vaultyard_model::{ClusterName, Namespace};

pub(crate) use certificates::{Certificates, Issuer, PrivateCa};
pub(crate) use dns::{Dns, DnsPolicy};
pub(crate) use ingress::{FrontTls, Gce, Ingress, Proxy, SharedGateway};
pub(crate) use keys::Keys;
pub(crate) use monitoring::Monitoring;
pub(crate) use seal::Seal;
pub(crate) use servers::{Resources, Servers, Software};
pub(crate) use snapshots::{SnapshotStore, Snapshots};

use crate::scalar::Written;
use crate::{API_VERSION, KIND};

/// A HashiCorp Vault or OpenBao cluster that Vaultyard delivers and keeps delivering. Only
/// `metadata.name` is needed; every default is safe.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VaultCluster {
    /// The version of the form of this document.
    #[schemars(extend("enum" = [API_VERSION], "x-vaultyard-stand-in" = API_VERSION))]
    pub(crate) api_version: String,
    /// What this document declares.
    #[schemars(extend("enum" = [KIND], "x-vaultyard-stand-in" = KIND))]
    pub(crate) kind: String,
    /// What Kubernetes keeps about every object. Vaultyard reads the name.
    #[schemars(extend("x-vaultyard-stand-in" = {"name": "vault"}))]
    pub(crate) metadata: Metadata,
    /// The cluster that is wanted.
    #[serde(default)]
    pub(crate) spec: Spec,
}

/// What Kubernetes keeps about every object.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metadata {
    /// The name of the cluster. Servers, certificates and objects are named after it, so it cannot
    /// be changed later.
    #[schemars(extend("x-vaultyard-stand-in" = "vault"))]
    pub(crate) name: Written<ClusterName>,
    /// The namespace on Kubernetes: of this object and of all that serves. What keeps the cluster
    /// stands in a second one, whose name ends in `-operations`. By default the cluster's name. On
    /// one machine it has no meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<Written<Namespace>>,
    /// Labels for your own use. Vaultyard does not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Notes for your own use. Vaultyard does not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The cluster that is wanted.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Spec {
    /// What runs, how often, and where.
    pub(crate) servers: Servers,
    /// What opens the servers by itself whenever they start ("auto-unseal"). The key that `spec.keys`
    /// splits, encrypts and keeps is then the recovery key: it opens no server, and brings root tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "none: Vaultyard unseals the servers"))]
    pub(crate) seal: Option<Seal>,
    /// How the unseal key is split, encrypted and kept.
    pub(crate) keys: Keys,
    /// Which snapshots of the data are taken by themselves.
    pub(crate) snapshots: Snapshots,
    /// Who issues which certificates.
    pub(crate) certificates: Certificates,
    /// Names for what runs.
    pub(crate) dns: Dns,
    /// The way in for clients: Vaultyard's own proxy and, on Kubernetes, what stands in front of it. On
    /// one machine nothing does, and all but `proxy` is without effect.
    pub(crate) ingress: Ingress,
    /// Who looks at the metrics on Kubernetes. Nothing is made unless it is asked for. On one machine
    /// this is without effect: the metrics stand at the address that `up` shows.
    pub(crate) monitoring: Monitoring,
    /// Files with `VaultSettings` documents, relative to this one: policies, logins, secret engines.
    pub(crate) settings: Vec<Planned>,
    /// Where images come from, and what they must pass.
    pub(crate) images: Images,
}

/// Where images come from, and what they must pass.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Images {
    /// A registry of your own that images are copied into by digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mirror: Option<Planned>,
    /// Which known vulnerabilities forbid an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Planned>,
}

/// The value of a field that a later version implements. It is refused before it is read.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Planned;

impl JsonSchema for Planned {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "planned".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "x-vaultyard-support": "planned" })
    }
}
