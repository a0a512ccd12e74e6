//! What others may ask of a running proxy, and have it do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vaultyard_model::ServerName;

use crate::BindError;
use crate::config::Server;
use crate::forward::Shared;
use crate::gate::{self, Counts};
use crate::holds::Waits;

/// A handle of a proxy; clones are handles of the same one.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Holds all requests from now on, waits until none is in flight, and keeps holding while the
    /// returned value lives: for a planned change of leader. Requests that are held come to no
    /// harm for as long as `limits.hold`.
    ///
    /// Waits at most `within`; [`Drain::counts`] says whether something is still in flight.
    pub async fn drain(&self, within: Duration) -> Drain {
        self.shared.leadership.begin_change();
        let change = Change { shared: Arc::clone(&self.shared) };
        let door = self.shared.field.gate.drain(within).await;
        Drain { _door: door, change }
    }

    /// Does not take `server` for the leader, whatever it answers, while the returned value lives.
    /// `None` when the proxy has no such server.
    pub fn exclude(&self, server: &ServerName) -> Option<Excluded> {
        let place = self.shared.leadership.place(server)?;
        self.shared.leadership.exclude(place);
        Some(Excluded { shared: Arc::clone(&self.shared), place })
    }

    /// From now on these are the servers. The first ones must be those that were there before; one that is left
    /// out must not lead any more.
    ///
    /// # Errors
    /// [`BindError::TlsName`]; then nothing has changed.
    pub fn stand(&self, servers: &[Server]) -> Result<(), BindError> {
        self.shared.field.upstreams.stand(servers)?;
        let names = servers.iter().map(|server| server.name.clone()).collect();
        self.shared.leadership.stand(names);
        Ok(())
    }

    /// Who leads, and who will: the receiver is told of every change.
    pub fn leader(&self) -> watch::Receiver<Option<ServerName>> {
        self.shared.leadership.subscribe_name()
    }

    /// How many requests were held since the proxy began, and for how long at most of those that went on, or were
    /// refused, in the last `within`; of more than an hour ago nothing is known.
    pub fn waits(&self, within: Duration) -> Waits {
        let now = Instant::now();
        self.shared.field.gate.holds().since(now.checked_sub(within).unwrap_or(now))
    }

    /// What is under way.
    pub fn counts(&self) -> Counts {
        self.shared.field.gate.counts()
    }
}

/// Requests are held for a planned change; dropping it, or [`Self::release`], ends that.
#[must_use = "requests are held only as long as this lives"]
pub struct Drain {
    _door: gate::Drain,
    change: Change,
}

impl Drain {
    /// What is still under way. `in_flight` is 0 unless the drain ran out of time; long answers
    /// (a snapshot, `sys/monitor`) are not waited for, since some never end.
    pub fn counts(&self) -> Counts {
        self.change.shared.field.gate.counts()
    }

    /// Lets requests pass again, as soon as a leader is known.
    pub fn release(self) {}
}

/// A planned change, during which servers are asked in haste.
struct Change {
    shared: Arc<Shared>,
}

impl Drop for Change {
    fn drop(&mut self) {
        self.shared.leadership.end_change();
    }
}

/// A server that is not to lead; dropping it lets the server lead again.
#[must_use = "the server is excluded only as long as this lives"]
pub struct Excluded {
    shared: Arc<Shared>,
    place: usize,
}

impl Drop for Excluded {
    fn drop(&mut self) {
        self.shared.leadership.include(self.place);
    }
}
