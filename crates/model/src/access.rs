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

/// The path of Vaultyard's own small KV version 2 mount, on every cluster.
pub const OWN_MOUNT: &str = "vaultyard";
/// The secret within [`OWN_MOUNT`] that the probe of life reads.
pub const PROBE_PATH: &str = "probe";
