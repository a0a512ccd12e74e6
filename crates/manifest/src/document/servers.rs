//! `spec.servers`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vaultyard_model::cluster::{Cpu, ObjectName, Replicas};
use vaultyard_model::{Version, Zone};

use crate::format::{Bytes, Memory};
use crate::scalar::Written;

/// What runs, how often, and where.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = RULES))]
pub(crate) struct Servers {
    /// Which server software runs.
    pub(crate) software: Software,
    /// Which version of it runs. Every server must report exactly this one before the cluster
    /// counts as Ready; changing it is an upgrade.
    pub(crate) version: Written<Version>,
    /// How many servers run. One server is for trials: it has no standby.
    #[schemars(extend(
        "enum" = Replicas::ALLOWED,
        "x-vaultyard-why" = "a majority must be left when servers fail, and an even number survives no more failures than the odd one below it"
    ))]
    pub(crate) replicas: u8,
    /// The failure domains that servers are spread over, in order. Empty means that they are found:
    /// by the label topology.kubernetes.io/zone on Kubernetes; a, b and c on one machine.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) zones: Vec<Written<Zone>>,
    /// Where a server keeps its data.
    pub(crate) storage: Storage,
    /// Settings for the server software, as its own configuration file has them. What Vaultyard sets
    /// itself (listeners, storage, audit, seal, ...) is refused here; everything else is handed on.
    #[schemars(extend("x-vaultyard-free" = true))]
    pub(crate) configuration: Map<String, Value>,
    /// The server program on this machine. Without it, Vaultyard looks among the programs it fetched
    /// and on PATH; whichever it is must report the version above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-support" = "local"))]
    pub(crate) binary: Option<Written<PathBuf>>,
    /// The account that the servers' pods have on Kubernetes. On one machine it is without effect.
    pub(crate) service_account: ServiceAccount,
    /// What each server is given on Kubernetes, as in any container: what a node keeps for it, and
    /// what it may take at most. A change counts for pods that are made after it. On one machine it is
    /// without effect.
    pub(crate) resources: Resources,
}

/// The rule between fields in the language of the API server; see `rules.rs`.
const RULES: [[&str; 2]; 1] = [[
    "!has(self.zones) || size(self.zones) <= (has(self.replicas) ? self.replicas : 3)",
    "there are at most as many zones as replicas, which are 3 where they are not given",
]];

impl Default for Servers {
    fn default() -> Self {
        Self {
            software: Software::Openbao,
            version: Written::new("2.7.2"),
            replicas: 3,
            zones: Vec::new(),
            storage: Storage::default(),
            configuration: Map::new(),
            binary: None,
            service_account: ServiceAccount::default(),
            resources: Resources::default(),
        }
    }
}

/// The account that the servers' pods have on Kubernetes. It is named after the cluster.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct ServiceAccount {
    /// Annotations of the account, by which a cloud knows it: `iam.gke.io/gcp-service-account` with
    /// the address of an account of Google, or `eks.amazonaws.com/role-arn` with a role of AWS. The
    /// unsealers then reach keys and buckets as that. Where the cloud trusts the account by its own
    /// name (Google's principals, the pod identity of EKS), none is needed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-vaultyard-default" = "none"))]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What each server is given on Kubernetes.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Resources {
    /// What a node keeps for a server; none takes its pod without having so much left.
    pub(crate) requests: Requests,
    /// What a server may take at most. A limit is not below the request of the same name.
    pub(crate) limits: Limits,
}

/// What a node keeps for a server.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Requests {
    /// Its share of the node's processors: whole ones, or thousandths with `m`.
    #[schemars(extend("x-vaultyard-least" = "1m", "x-vaultyard-most" = "1024"))]
    pub(crate) cpu: Written<Cpu>,
    /// Its share of the node's memory.
    #[schemars(extend("x-vaultyard-least" = "64Mi", "x-vaultyard-most" = "16Ti"))]
    pub(crate) memory: Written<Memory>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { cpu: Written::new("100m"), memory: Written::new("256Mi") }
    }
}

/// What a server may take at most.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// How much of the node's processors it may take. Whoever is held back misses elections, so leave
    /// it out unless your Kubernetes demands it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-vaultyard-least" = "1m",
        "x-vaultyard-most" = "1024",
        "x-vaultyard-default" = "none"
    ))]
    pub(crate) cpu: Option<Written<Cpu>>,
    /// How much memory it may take. Kubernetes ends a server that takes more, so leave room above
    /// what the data takes: it grows with leases, tokens and what is written and read at a time.
    #[schemars(extend("x-vaultyard-least" = "64Mi", "x-vaultyard-most" = "16Ti"))]
    pub(crate) memory: Written<Memory>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cpu: None, memory: Written::new("1Gi") }
    }
}

/// Which server software runs.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Software {
    /// OpenBao; the program is `bao`.
    Openbao,
    /// HashiCorp Vault; the program is `vault`.
    Vault,
}

/// Where a server keeps its data.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct Storage {
    /// Integrated storage: every server holds the whole, and a majority agrees on each change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raft: Option<Raft>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { raft: Some(Raft::default()) }
    }
}

/// Integrated storage.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Raft {
    /// Room for the data of one server. On Kubernetes the size of its volume; on one machine nothing
    /// enforces it.
    #[schemars(extend("x-vaultyard-least" = "256Mi", "x-vaultyard-most" = "16Ti"))]
    pub(crate) size: Written<Bytes>,
    /// How patient raft is. A leader that reaches no majority for half a second times this number steps
    /// down, and when a leader is lost, another leads after two to four seconds times this number.
    /// More than 1 is for machines that are short of processor time or have a slow network between them.
    #[schemars(range(min = 1, max = 10))]
    pub(crate) performance_multiplier: u8,
    /// The StorageClass of a server's volume on Kubernetes. It is fixed once the cluster exists.
    /// On one machine it is without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the default StorageClass there"))]
    pub(crate) storage_class_name: Option<Written<ObjectName>>,
}

impl Default for Raft {
    fn default() -> Self {
        Self { size: Written::new("10Gi"), performance_multiplier: 1, storage_class_name: None }
    }
}

impl Servers {
    /// Room for the data of one server.
    pub(crate) fn raft_size(&self) -> Written<Bytes> {
        self.storage.raft.as_ref().map_or_else(|| Raft::default().size, |raft| raft.size.clone())
    }

    /// How patient raft is.
    pub(crate) fn performance_multiplier(&self) -> u8 {
        let default = Raft::default();
        self.storage.raft.as_ref().unwrap_or(&default).performance_multiplier
    }

    /// The StorageClass of its volume, when one is named.
    pub(crate) fn storage_class(&self) -> Option<&Written<ObjectName>> {
        self.storage.raft.as_ref()?.storage_class_name.as_ref()
    }
}
