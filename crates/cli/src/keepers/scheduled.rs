//! Takes snapshots by itself as often as the document says, and removes those that are too many.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_model::cluster::Snapshots;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_snapshots::folder::Folder;
use vaultyard_snapshots::schedule::{is_due, newest, surplus};
use vaultyard_snapshots::take::Taken;

use crate::failure::{Failure, failed};

/// Between two looks whether one is due, or asked for.
const LOOK: Duration = Duration::from_secs(1);
/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Where snapshots of one cluster are taken and kept.
#[async_trait]
pub(crate) trait Taking: Send + Sync {
    /// Whether it is this program's to take them now.
    fn is_mine(&self) -> bool;

    /// Where they are kept here.
    fn folder(&self) -> Folder;

    /// Takes one that nobody has asked for.
    async fn take_scheduled(&self, now: Timestamp) -> Result<Taken, Failure>;
}

/// The keeper.
pub(crate) struct ScheduleKeeper {
    /// What the document says.
    pub(crate) wanted: watch::Receiver<Snapshots>,
    pub(crate) taking: Arc<dyn Taking>,
}

#[async_trait]
impl Keeper for ScheduleKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        round_of(self.advance(now).await, AGAIN)
    }
}

/// The round of a keeper that takes snapshots; one that failed is tried `again` after this time.
pub(crate) fn round_of(advanced: Result<Option<&'static str>, Failure>, again: Duration) -> Round {
    match advanced {
        Ok(did) => Round { did, waiting: None, next: LOOK },
        Err(failure) => {
            let reason = format!("no snapshot can be taken: {}", failure.message());
            warn!("{reason}");
            let waiting = Some(Waiting { reason, stuck: false });
            Round { did: None, waiting, next: again }
        }
    }
}

impl ScheduleKeeper {
    async fn advance(&self, now: Timestamp) -> Result<Option<&'static str>, Failure> {
        let Snapshots { interval, retain } = self.wanted.borrow().clone();
        let Some(interval) = interval else { return Ok(None) };
        let folder = self.taking.folder();
        let all = folder.list().map_err(failed)?;
        for name in surplus(&all, usize::from(retain)) {
            folder.remove(&name).map_err(failed)?;
            info!(%name, "a snapshot was removed: there are enough newer ones");
        }
        if !self.taking.is_mine() || !is_due(newest(&all, now), interval, now) {
            return Ok(None);
        }
        let taken = self.taking.take_scheduled(now).await?;
        info!(name = %taken.name, "a snapshot was taken");
        Ok(Some("take-snapshot"))
    }
}
