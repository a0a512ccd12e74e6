//! Takes snapshots by itself as often as the document says, and removes those that are too many.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_keys::record::Generation;
use vaultyard_model::cluster::Snapshots;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_snapshots::schedule::{counting, is_due, newest, surplus};
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::take::Taken;

use crate::failure::{Failure, failed};

/// Between two looks whether one is due, or asked for.
const LOOK: Duration = Duration::from_secs(1);
/// The same where a service has to be asked; less, when one is due more often.
const LOOK_ELSEWHERE: Duration = Duration::from_secs(60);
/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Where snapshots of one cluster are taken and kept.
#[async_trait]
pub(crate) trait Taking: Send + Sync {
    /// Whether it is this program's to take them now.
    fn is_mine(&self) -> bool;

    /// Where they are kept.
    fn shelf(&self) -> Arc<Shelf>;

    /// The keys that the cluster has, which open what belongs to it.
    async fn generation(&self) -> Result<Generation, Failure>;

    /// Takes one that nobody has asked for.
    async fn take_scheduled(&self, now: Timestamp) -> Result<Taken, Failure>;
}

/// The keeper.
pub(crate) struct ScheduleKeeper {
    /// What the document says.
    pub(crate) wanted: watch::Receiver<Snapshots>,
    pub(crate) taking: Arc<dyn Taking>,
    /// The cluster's own, once it had to be known.
    pub(crate) ours: Option<Generation>,
}

#[async_trait]
impl Keeper for ScheduleKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        let mut round = round_of(self.advance(now).await, AGAIN);
        let interval = self.wanted.borrow().interval;
        if let (true, None, Some(interval)) =
            (self.taking.shelf().is_elsewhere(), &round.waiting, interval)
        {
            round.next = LOOK_ELSEWHERE.min(interval / 2).max(LOOK);
        }
        round
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
    async fn advance(&mut self, now: Timestamp) -> Result<Option<&'static str>, Failure> {
        let Snapshots { interval, retain, .. } = self.wanted.borrow().clone();
        let Some(interval) = interval else { return Ok(None) };
        let (shelf, is_mine) = (self.taking.shelf(), self.taking.is_mine());
        // What lies elsewhere is everybody's, and one of them looks after it.
        if shelf.is_elsewhere() && !is_mine {
            return Ok(None);
        }
        if shelf.is_elsewhere() && self.ours.is_none() {
            self.ours = Some(self.taking.generation().await?);
        }
        let ours = self.ours.as_ref().filter(|_| shelf.is_elsewhere());
        let all = counting(shelf.list().await.map_err(failed)?, ours);
        for name in surplus(&all, usize::from(retain)) {
            shelf.remove(&name).await.map_err(failed)?;
            info!(%name, "a snapshot was removed: there are enough newer ones");
        }
        if !is_mine || !is_due(newest(&all, now), interval, now) {
            return Ok(None);
        }
        let taken = self.taking.take_scheduled(now).await?;
        info!(name = %taken.name, "a snapshot was taken");
        Ok(Some("take-snapshot"))
    }
}
