//! Changes the servers of this machine, one at a time.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_engine::supervisor::Supervised;
use vaultyard_model::port::host::{Host, HostError, Signal};
use vaultyard_model::port::rollout::{Rollout, Standing};
use vaultyard_model::{ServerName, chain};
use vaultyard_proxy::Handle;
use vaultyard_target_local::LocalLauncher;
use vaultyard_target_local::state::VersionChange;

use super::keys::Custody;
use super::snapshots;
use super::state::Known;

/// How long the proxy may take until nothing is in flight.
const IN_FLIGHT: Duration = Duration::from_secs(10);

/// The servers of this machine, as what changes them.
pub(crate) struct LocalRollout {
    /// Starts them as they were, or as is declared.
    pub(crate) launcher: Arc<LocalLauncher>,
    /// Their processes.
    pub(crate) servers: BTreeMap<ServerName, Supervised>,
    /// Holds requests.
    pub(crate) proxy: Handle,
    /// The cluster's files and addresses.
    pub(crate) known: Known,
    /// Its keys.
    pub(crate) custody: Custody,
    /// How often a document was declared.
    pub(crate) generation: watch::Receiver<u64>,
}

#[async_trait]
impl Rollout for LocalRollout {
    async fn standing(&self) -> Result<Standing, HostError> {
        let failed = |error: &dyn Error| refused("tell what servers were started as", chain(error));
        let change = self.known.state.version_change().map_err(|error| failed(&error))?;
        let version = self.launcher.version();
        Ok(Standing {
            generation: *self.generation.borrow(),
            stale: self.launcher.stale().map_err(|error| failed(&error))?,
            snapshot: change.is_some_and(|change| change.towards == version),
            version,
        })
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        const WHAT: &str = "take a snapshot before the version changes";
        let taken = snapshots::take(&self.known, &self.custody).await;
        let taken = taken.map_err(|failure| refused(WHAT, failure.message().to_owned()))?;
        info!(snapshot = %taken.name, "the change of version is bound to this snapshot");
        let towards = self.launcher.version();
        let change = VersionChange { towards, snapshot: taken.name.to_string() };
        let kept = self.known.state.keep_version_change(&change);
        kept.map_err(|error| refused(WHAT, chain(&error)))
    }

    async fn replace(&self, server: &ServerName, leads: bool) -> Result<(), HostError> {
        let what = format!("replace {server}");
        let process = self.servers.get(server);
        let process =
            process.ok_or_else(|| refused(&what, "there is no such server".to_owned()))?;
        // The one that goes is not taken for the leader any more, so requests wait for another one until
        // there is one.
        let excluded = if leads { self.proxy.exclude(server) } else { None };
        if leads {
            let drain = self.proxy.drain(IN_FLIGHT).await;
            let left = drain.counts().in_flight;
            if left > 0 {
                warn!(%server, left, "requests are still in flight after {IN_FLIGHT:?}");
            }
            drain.release();
        }
        self.launcher.renew(server);
        let replaced = process.restart(Signal::Terminate, "it is started as is declared now").await;
        drop(excluded);
        replaced
    }
}

fn refused(what: &str, why: String) -> HostError {
    HostError { what: what.to_owned(), why }
}
