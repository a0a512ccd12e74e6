//! A snapshot of all data.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::sync::mpsc;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

/// The longest time between two pieces: a server writes all of it to its disk before the first.
const PIECE: Duration = Duration::from_secs(120);

/// The longest time that a server may take for all of one that it is given.
const RESTORED: Duration = Duration::from_secs(3600);

impl Authorised<'_> {
    /// `GET sys/storage/raft/snapshot`: the archive, piece by piece as it arrives. It is whole only when
    /// its own checksums say so.
    ///
    /// # Errors
    /// [`CallError`]; 307 when the server does not lead.
    pub async fn snapshot(&self, to: mpsc::Sender<Bytes>) -> Result<(), CallError> {
        let call = Call::get("sys/storage/raft/snapshot").only_here().within(PIECE);
        self.client.download(Call { token: Some(self.token), ..call }, to).await
    }

    /// `POST sys/storage/raft/snapshot`: puts the archive whose pieces arrive in place of all data. It
    /// must have been taken under the keys that the cluster has now. The server begins when it has
    /// answered, and answers nothing else for some seconds then.
    ///
    /// # Errors
    /// [`CallError`]; 400 for an archive under other keys.
    pub async fn restore(
        &self,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<(), CallError> {
        self.put_in_place("sys/storage/raft/snapshot", pieces).await
    }

    /// `POST sys/storage/raft/snapshot-force`: the same with an archive under other keys. The server is sealed
    /// then, and those open it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn restore_of_other_keys(
        &self,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<(), CallError> {
        self.put_in_place("sys/storage/raft/snapshot-force", pieces).await
    }

    async fn put_in_place(
        &self,
        path: &str,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<(), CallError> {
        let call = Call::new(Method::POST, path).only_here().within(RESTORED);
        self.client.upload(Call { token: Some(self.token), ..call }, pieces).await.map(drop)
    }
}
