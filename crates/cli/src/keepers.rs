//! The keepers of the engine that both targets run: the unsealer, and below it what keeps access.

pub(crate) mod access;
pub(crate) mod kept;
pub(crate) mod scheduled;
pub(crate) mod served;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use vaultyard_keys::initialise::reason::Reason;
use vaultyard_keys::initialise::{self, Unsealer};
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};

/// What wakes a keeper that only its own clock wakes.
pub(crate) fn never() -> watch::Receiver<()> {
    watch::channel(()).1
}

/// One server's unsealer.
pub(crate) struct UnsealKeeper(pub(crate) Unsealer);

#[async_trait]
impl Keeper for UnsealKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        let initialise::Round { did, held, next } = self.0.round(now).await;
        Round {
            did: did.map(|step| step.name()),
            waiting: held.map(|reason| Waiting {
                stuck: matches!(reason, Reason::Stuck(_)),
                reason: reason.to_string(),
            }),
            next: next.max(Duration::ZERO),
        }
    }
}
