//! `spec.snapshots`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalar::Written;

/// Snapshots of the data that are taken by themselves, beside those that a person asks for and the one before
/// each change of version.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Snapshots {
    /// How often one is taken of the server that leads: when the newest that there is, is as old.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-vaultyard-least" = "10s",
        "x-vaultyard-most" = "8760h",
        "x-vaultyard-default" = "none are taken by themselves"
    ))]
    pub(crate) interval: Option<Written<Duration>>,
    /// How many of those that were taken by themselves are kept in each place; older ones are removed.
    /// Others stay until somebody removes them.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) retain: u16,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { interval: None, retain: 7 }
    }
}
