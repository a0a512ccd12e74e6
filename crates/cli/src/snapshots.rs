//! Takes a snapshot of the server that leads; the same on every target.

use jiff::Timestamp;
use tokio::sync::mpsc;
use vaultyard_keys::envelope;
use vaultyard_model::port::custody::KeyEncryption;
use vaultyard_model::port::server::Server;
use vaultyard_model::{ClusterName, Secret, ServerName};
use vaultyard_snapshots::file::Header;
use vaultyard_snapshots::folder::Folder;
use vaultyard_snapshots::take::{self, Taken};
use vaultyard_vault::Client;

use crate::failure::{Failure, failed};
use crate::output;
use crate::system::SystemRandom;

/// How many pieces may wait for whoever takes them.
pub(crate) const PIECES: usize = 16;

/// The server that leads, with a login of the administrator.
pub(crate) struct Leader<'a> {
    pub(crate) cluster: &'a ClusterName,
    pub(crate) server: &'a ServerName,
    pub(crate) client: &'a Client,
    /// It ends with the snapshot.
    pub(crate) token: &'a Secret,
}

/// Takes one `now` into the folder; `keys` open what is restored from it.
pub(crate) async fn take(
    leader: Leader<'_>,
    keys: envelope::Header,
    encryption: &dyn KeyEncryption,
    folder: &Folder,
    now: Timestamp,
) -> Result<Taken, Failure> {
    let Leader { cluster, server, client, token } = leader;
    let version = client.health().await.map_err(failed)?.version;
    let header = Header {
        cluster: cluster.to_string(),
        taken: now,
        server: server.to_string(),
        version: output::or_dash(version),
        generation: keys.generation,
        rekey: keys.rekey,
    };
    let (to, pieces) = mpsc::channel(PIECES);
    let sending = async { client.with_token(token).snapshot(to).await };
    let taken = take::take(header, sending, pieces, folder, encryption, &SystemRandom).await;
    // Nobody needs the token any more; it would end by itself.
    client.with_token(token).revoke_self().await.ok();
    taken.map_err(failed)
}
