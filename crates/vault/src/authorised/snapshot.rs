//! A snapshot of all data.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

/// The longest time between two pieces: a server writes all of it to its disk before the first.
const PIECE: Duration = Duration::from_secs(120);

impl Authorised<'_> {
    /// `GET sys/storage/raft/snapshot`: the archive, piece by piece as it arrives. It is whole only when
    /// its own checksums say so.
    ///
    /// # Errors
    /// [`CallError`]; 307 when the server does not lead.
    pub async fn snapshot(&self, to: mpsc::Sender<Bytes>) -> Result<(), CallError> {
        let call = Call::get("sys/storage/raft/snapshot").only_here().within(PIECE);
        self.client.stream(Call { token: Some(self.token), ..call }, to).await
    }
}
