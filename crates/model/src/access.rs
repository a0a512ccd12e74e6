//! The identities that a cluster knows from its first minute, and what each may do.

/// Somebody who logs in with a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// Vaultyard itself: observes, probes, steps down, keeps raft membership.
    Vaultyard,
    /// The person who runs the cluster.
    Administrator,
}

impl Identity {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Vaultyard, Self::Administrator];

    /// The name of its policy, its role and its certificate (common name).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vaultyard => "vaultyard",
            Self::Administrator => "vaultyard-administrator",
        }
    }
}

/// Somebody who logs in with the token of a service account of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceIdentity {
    /// The person who runs the cluster, as [`Identity::Administrator`] with another proof.
    Administrator,
    /// The account with which the servers ask Kubernetes whose a token is. It logs in only to prove
    /// that this works.
    TokenReviewer,
}

impl ServiceIdentity {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Administrator, Self::TokenReviewer];

    /// The name of its role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::TokenReviewer => "token-reviewer",
        }
    }
}

/// The path of the login with service accounts of Kubernetes: one of our own, so that `kubernetes`
/// stays free for what people set up.
pub const SERVICE_ACCOUNT_MOUNT: &str = "vaultyard-kubernetes";
/// The path of Vaultyard's own small KV version 2 mount, on every cluster.
pub const OWN_MOUNT: &str = "vaultyard";
/// The secret within [`OWN_MOUNT`] that says which rekey made the shares that open this data.
pub const REKEY_PATH: &str = "rekey";
/// Its field.
pub const REKEY_FIELD: &str = "number";
/// The secret within [`OWN_MOUNT`] that the probe of life reads.
pub const PROBE_PATH: &str = "probe";
/// What is written to see whom the leader reaches.
pub const ADVANCE_PATH: &str = "advance";
