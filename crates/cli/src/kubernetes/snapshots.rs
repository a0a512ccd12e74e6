//! Takes a snapshot of the server that this unsealer sits beside, while that leads and a change of version
//! asks for one. The question stands in the status of the `VaultCluster`, where only the cluster controller
//! writes; the snapshot lies on the server's own volume.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tracing::info;
use vaultyard_model::port::keeper::{Keeper, Round};

use super::hands::Hands;
use crate::failure::Failure;
use crate::keepers::scheduled::round_of;
use crate::snapshots::Moment;

/// The field of the status in which somebody asks for a snapshot: the time of the question.
pub(crate) const ASKED: &str = "snapshotAsked";

/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

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
    pub(crate) hands: Arc<Hands>,
    /// The `VaultCluster`, in which the question stands.
    pub(crate) declared: watch::Receiver<Value>,
    pub(crate) answered: watch::Sender<Option<Answered>>,
}

#[async_trait]
impl Keeper for SnapshotKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        round_of(self.advance(now).await, AGAIN)
    }
}

impl SnapshotKeeper {
    async fn advance(&self, now: Timestamp) -> Result<Option<&'static str>, Failure> {
        let asked = self.declared.borrow()["status"][ASKED].as_str().map(str::to_owned);
        let Some(asked) = asked.filter(|_| self.hands.leads()) else { return Ok(None) };
        if self.answered.borrow().as_ref().is_some_and(|answered| answered.asked == asked) {
            return Ok(None);
        }
        let name = self.hands.take_snapshot(Moment::asked(now)).await?.name.to_string();
        info!(%name, "a snapshot was taken");
        self.answered.send_replace(Some(Answered { asked, name, taken: now }));
        Ok(Some("take-snapshot"))
    }
}
