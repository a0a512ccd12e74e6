//! Stops all servers in order.

use std::collections::BTreeMap;

use tracing::{info, warn};
use vaultyard_model::ServerName;
use vaultyard_plan::shutdown::Stop;

use crate::supervisor::Supervised;

/// Stops the servers one after another, in `order` (see `vaultyard_plan::shutdown`); each has
/// ended before the next is asked to. `before` is told of each server before it is stopped.
pub async fn stop_all(
    servers: &BTreeMap<ServerName, Supervised>,
    order: &[Stop],
    mut before: impl FnMut(&ServerName),
) {
    for Stop { server: name, signal } in order {
        let Some(server) = servers.get(name) else { continue };
        before(name);
        match server.stop(*signal).await {
            Ok(()) => info!(server = %name, ?signal, "server stopped"),
            Err(error) => warn!("{error}"),
        }
    }
}
