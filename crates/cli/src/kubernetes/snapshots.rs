//! Takes a snapshot of the server that this unsealer sits beside, while that leads and somebody asks for
//! one. The question stands in the status of the `VaultCluster`, where only the cluster controller
//! writes; the snapshot lies on the server's own volume.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_keys::stored;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::{ClusterName, ServerName};
use vaultyard_snapshots::folder::Folder;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_vault::Client;

use crate::failure::{Failure, failed};
use crate::snapshots::{self, Leader};

/// The field of the status in which somebody asks for a snapshot: the time of the question.
pub(crate) const ASKED: &str = "snapshotAsked";

/// Between two looks whether somebody asks.
const LOOK: Duration = Duration::from_secs(1);
/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(5);

/// The snapshot that was taken when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The question.
    pub(crate) asked: String,
    /// The name of the snapshot.
    pub(crate) name: String,
    /// When it was begun.
    pub(crate) taken: Timestamp,
}

/// Takes what is asked for.
pub(crate) struct SnapshotKeeper {
    pub(crate) cluster: ClusterName,
    /// The server of this pod.
    pub(crate) server: ServerName,
    /// Where the question stands.
    pub(crate) object: ClusterObject,
    /// Without the keys a snapshot would be worth nothing.
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) encryption: Arc<dyn KeyEncryption>,
    /// The own server, asked with the administrator's certificate.
    pub(crate) administrator: Arc<Client>,
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    pub(crate) folder: Folder,
    pub(crate) answered: watch::Sender<Option<Answered>>,
}

#[async_trait]
impl Keeper for SnapshotKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        match self.advance(now).await {
            Ok(did) => Round { did: did.then_some("take-snapshot"), waiting: None, next: LOOK },
            Err(failure) => {
                let reason = format!("no snapshot can be taken: {}", failure.message());
                warn!("{reason}");
                let waiting = Some(Waiting { reason, stuck: false });
                Round { did: None, waiting, next: AGAIN }
            }
        }
    }
}

impl SnapshotKeeper {
    async fn advance(&self, now: Timestamp) -> Result<bool, Failure> {
        let leads =
            self.observed.borrow().as_ref().is_some_and(|it| it.leader() == Some(&self.server));
        if !leads {
            return Ok(false);
        }
        let object = self.object.read().await.map_err(failed)?.unwrap_or_default();
        let Some(asked) = object["status"][ASKED].as_str() else { return Ok(false) };
        if self.answered.borrow().as_ref().is_some_and(|answered| answered.asked == asked) {
            return Ok(false);
        }
        let name = self.take(now).await?;
        info!(%name, "a snapshot was taken");
        self.answered.send_replace(Some(Answered { asked: asked.to_owned(), name, taken: now }));
        Ok(true)
    }

    async fn take(&self, now: Timestamp) -> Result<String, Failure> {
        let Self { cluster, server, administrator: client, encryption, folder, .. } = self;
        let keys = stored::load_settled(cluster, &*self.store, &**encryption).await;
        let keys = keys.map_err(failed)?.header;
        let login = client.log_in(Identity::Administrator.as_str(), LOGIN).await;
        let login = login.map_err(failed)?;
        let leader = Leader { cluster, server, client, token: &login.token };
        let taken = snapshots::take(leader, keys, &**encryption, folder, now).await?;
        Ok(taken.name.to_string())
    }
}
