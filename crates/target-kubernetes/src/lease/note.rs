//! What the leader has to say to whoever looks at its Lease.

use serde_json::Value;

/// The annotation of a Lease that says why its holder cannot do its work.
pub(super) const HINDRANCE: &str = "vaultyard.dev/hindrance";

/// Why the holder of this Lease cannot do its work, as it said with its last sign of life.
pub fn hindrance(lease: &Value) -> Option<&str> {
    lease["metadata"]["annotations"][HINDRANCE].as_str()
}
