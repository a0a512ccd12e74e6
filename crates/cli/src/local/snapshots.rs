//! Takes a snapshot of a cluster on this machine.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use vaultyard_keys::record::Generation;
use vaultyard_model::observed::Observed;
use vaultyard_snapshots::folder::Folder;
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::take::Taken;

use super::keys::Custody;
use super::login::{self, LoggedIn};
use super::state::Known;
use crate::custody;
use crate::failure::Failure;
use crate::keepers::scheduled::Taking;
use crate::snapshots::{self, Leader, Moment};

/// Where the cluster's snapshots are kept.
pub(crate) fn shelf(known: &Known) -> Shelf {
    let elsewhere = custody::for_snapshots(&known.document.cluster.snapshots.store);
    Shelf::new(Folder::at(known.state.paths().snapshots()), elsewhere)
}

/// Takes one of the server that leads, with a login of the administrator that ends at once.
pub(crate) async fn take(
    known: &Known,
    custody: &Custody,
    shelf: &Shelf,
    moment: Moment,
) -> Result<Taken, Failure> {
    let cluster = &known.document.cluster.name;
    // Without the keys it would be worth nothing, and that is better known before.
    let ring = custody.load_all(cluster).await?;
    let LoggedIn { login, server, client } = login::log_in(known).await?;
    let leader = Leader { cluster, server: &server, client: &client, token: &login.token };
    let keys = ring.current().header.clone();
    snapshots::take(leader, keys, &*custody.encryption, shelf, moment).await
}

/// Takes them by itself while `up` runs.
pub(crate) struct Scheduled {
    pub(crate) known: Known,
    pub(crate) custody: Custody,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) observed: watch::Receiver<Option<Observed>>,
}

#[async_trait]
impl Taking for Scheduled {
    fn is_mine(&self) -> bool {
        self.observed.borrow().as_ref().is_some_and(Observed::serves)
    }

    fn shelf(&self) -> Arc<Shelf> {
        self.shelf.clone()
    }

    async fn generation(&self) -> Result<Generation, Failure> {
        let ring = self.custody.load_all(&self.known.document.cluster.name).await?;
        Ok(ring.current().header.generation.clone())
    }

    async fn take_scheduled(&self, now: Timestamp) -> Result<Taken, Failure> {
        take(&self.known, &self.custody, &self.shelf, Moment { now, scheduled: true }).await
    }
}
