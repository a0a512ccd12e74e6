//! Server settings that belong to Vaultyard.

/// A top-level setting of the server's configuration that a document may not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnedSetting {
    /// Its name, lower case.
    pub name: &'static str,
    /// Why it is not open, and what to use instead: the end of a sentence about it.
    pub instead: &'static str,
}

const fn owned(name: &'static str, instead: &'static str) -> OwnedSetting {
    OwnedSetting { name, instead }
}

/// Every setting that Vaultyard sets itself, or that would break what it relies on. Anything else in
/// `spec.servers.configuration` is handed to the server.
///
/// The server compares names without regard to case, and so does the check of a document.
pub const OWNED_SETTINGS: &[OwnedSetting] = &[
    owned("api_addr", "remove it: addresses follow from where each server runs"),
    owned("audit", "remove it: one audit file is declared, the same on every server"),
    owned("backend", "it is the old name of storage; use spec.servers.storage"),
    owned("cluster_addr", "remove it: addresses follow from where each server runs"),
    owned("cluster_name", "use metadata.name"),
    owned("disable_clustering", "remove it: raft needs clustering"),
    owned("disable_standby_reads", "remove it: reads of standbys would be stale"),
    owned("enable_response_header_hostname", "remove it: it is always on"),
    owned("enable_response_header_raft_node_id", "remove it: it is always on"),
    owned("ha_backend", "it is the old name of ha_storage; raft needs none"),
    owned("ha_storage", "remove it: raft needs none"),
    owned("hsm", "it is the old name of seal; use spec.seal"),
    owned("initialize", "remove it: each server would begin a cluster of its own"),
    owned("listener", "remove it: listeners follow from the certificates and addresses"),
    owned("log_file", "remove it: `vaultyard logs` reads what the server prints"),
    owned("log_format", "remove it: Vaultyard reads the log as JSON"),
    owned("pid_file", "remove it: Vaultyard supervises the server"),
    owned("seal", "use spec.seal"),
    owned("storage", "use spec.servers.storage"),
    owned("telemetry", "remove it: metrics are always on"),
];

/// The entry for a setting, whatever its case.
pub(crate) fn find(name: &str) -> Option<&'static OwnedSetting> {
    OWNED_SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_whatever_their_case() {
        assert_eq!(find("Listener").map(|setting| setting.name), Some("listener"));
        assert_eq!(find("ui"), None);
    }
}
