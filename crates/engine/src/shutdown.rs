//! Stops all servers in order.

use std::collections::BTreeMap;

use tracing::{info, warn};
use vaultyard_model::ServerName;

use crate::supervisor::Supervised;

/// Stops the servers one after another, in `order` (see `vaultyard_plan::shutdown`); each has
/// ended before the next is asked to. `before` is told of each server before it is stopped.
pub async fn stop_all(
    servers: &BTreeMap<ServerName, Supervised>,
    order: &[ServerName],
    mut before: impl FnMut(&ServerName),
) {
    for name in order {
        let Some(server) = servers.get(name) else { continue };
        before(name);
        match server.stop().await {
            Ok(()) => info!(server = %name, "server stopped"),
            Err(error) => warn!("{error}"),
        }
    }
}
