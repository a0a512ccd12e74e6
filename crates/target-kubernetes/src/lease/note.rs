//! What the leader has to say to whoever looks at its Lease.

use serde_json::{Value, json};

use crate::client::Api;
use crate::error::ApiError;
use crate::reference::Reference;

/// The annotation of a Lease that says why its holder cannot do its work.
const HINDRANCE: &str = "vaultyard.dev/hindrance";

/// Writes why the holder of the Lease cannot do its work; `None` when it can.
///
/// Needs the right to patch the Lease.
///
/// # Errors
/// [`ApiError`].
pub async fn hinder(
    api: &Api,
    lease: &Reference,
    manager: &str,
    why: Option<&str>,
) -> Result<(), ApiError> {
    let patch = json!({"metadata": {"annotations": {HINDRANCE: why}}});
    api.merge(lease, "", manager, &patch).await.map(drop)
}

/// Why the holder of this Lease cannot do its work, as it said last.
pub fn hindrance(lease: &Value) -> Option<&str> {
    lease["metadata"]["annotations"][HINDRANCE].as_str()
}
