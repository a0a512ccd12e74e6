//! Takes a snapshot of a cluster on this machine.

use vaultyard_model::port::clock::Clock;
use vaultyard_snapshots::folder::Folder;
use vaultyard_snapshots::take::Taken;

use super::keys::Custody;
use super::login::{self, LoggedIn};
use super::state::Known;
use crate::failure::Failure;
use crate::snapshots::{self, Leader};
use crate::system::SystemClock;

/// Where the cluster's snapshots are kept.
pub(crate) fn folder(known: &Known) -> Folder {
    Folder::at(known.state.paths().snapshots())
}

/// Takes one of the server that leads, with a login of the administrator that ends at once.
pub(crate) async fn take(known: &Known, custody: &Custody) -> Result<Taken, Failure> {
    let cluster = &known.document.cluster.name;
    // Without the keys it would be worth nothing, and that is better known before.
    let keys = custody.load(cluster).await?;
    let LoggedIn { login, server, client } = login::log_in(known).await?;
    let leader = Leader { cluster, server: &server, client: &client, token: &login.token };
    let folder = folder(known);
    snapshots::take(leader, keys.header, &*custody.encryption, &folder, SystemClock.now()).await
}
