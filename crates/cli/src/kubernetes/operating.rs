//! Does what a person asks the unsealers for, and knows what lies on the own volume.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_keys::envelope::Header as Keys;
use vaultyard_keys::rekey::{Ports, Wanted, rekey};
use vaultyard_model::port::keeper::{Keeper, Round};
use vaultyard_snapshots::folder::Name;
use vaultyard_snapshots::verify::{unlock, verify};

use super::hands::{AtLeader, Hands};
use super::operation::{self, Next, Operation, Phase, Progress, Work};
use crate::failure::{Failure, Kind, failed};
use crate::faults;
use crate::snapshots::{Found, Leader, Listed, put_in_place};
use crate::system::SystemRandom;

/// Between two looks while nothing is told of the `VaultCluster`.
const LOOK: Duration = Duration::from_secs(1);

/// Does what is asked for.
pub(crate) struct OperationKeeper {
    pub(crate) hands: Arc<Hands>,
    /// The `VaultCluster`, in which the question stands.
    pub(crate) declared: watch::Receiver<Value>,
    /// How far the last one is.
    pub(crate) told: watch::Sender<Option<Progress>>,
    /// The snapshots on the own volume.
    pub(crate) kept: watch::Sender<Vec<Listed>>,
}

#[async_trait]
impl Keeper for OperationKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        self.look_at_volume();
        let next = {
            let declared = self.declared.borrow();
            let (server, told) = (self.hands.server.as_str(), self.told.borrow());
            operation::next(&declared, now, server, |work| self.is_mine(work), told.as_ref())
        };
        match next {
            Next::Nothing => {}
            Next::Tell(progress) => {
                self.told.send_replace(Some(progress));
            }
            Next::Do(operation) => {
                let progress = self.carry_out(operation, now).await;
                self.look_at_volume();
                self.told.send_replace(Some(progress));
            }
        }
        Round { did: None, waiting: None, next: LOOK }
    }
}

impl OperationKeeper {
    /// A snapshot is read where it lies; everything else is done beside the server that leads.
    fn is_mine(&self, work: &Work) -> bool {
        match work.snapshot() {
            Some(name) => self.kept.borrow().iter().any(|kept| kept.name == name),
            None => self.hands.leads(),
        }
    }

    fn look_at_volume(&self) {
        match self.hands.folder.list() {
            Ok(all) => {
                let all: Vec<_> = all.into_iter().map(Listed::from).collect();
                self.kept.send_if_modified(|kept| {
                    let news = *kept != all;
                    *kept = all;
                    news
                });
            }
            Err(error) => warn!("the snapshots on the volume cannot be listed: {error}"),
        }
    }

    async fn carry_out(&self, operation: Operation, now: Timestamp) -> Progress {
        info!(?operation, "begun");
        let Operation { asked, work } = operation;
        let done = match &work {
            Work::TakeSnapshot => self.take(now).await,
            Work::VerifySnapshot { name } => self.verify(name).await,
            Work::RestoreSnapshot { name } => self.restore(name).await,
            Work::Rekey { shares, threshold } => {
                self.rekey(Wanted { shares: *shares, threshold: *threshold }, now).await
            }
        };
        let (phase, message, result) = match done {
            Ok(result) => (Phase::Succeeded, None, Some(result)),
            Err(failure) => {
                warn!("{}", failure.message());
                (Phase::Failed, Some(failure.message().to_owned()), None)
            }
        };
        info!(?phase, "it is over");
        let server = self.hands.server.to_string();
        Progress { asked, phase, server, message, result }
    }

    async fn take(&self, now: Timestamp) -> Result<Value, Failure> {
        let taken = self.hands.take_snapshot(now).await?;
        Ok(json!({"name": taken.name.to_string(), "index": taken.meta.index}))
    }

    async fn verify(&self, name: &str) -> Result<Value, Failure> {
        let Hands { cluster, encryption, folder, .. } = &*self.hands;
        let (name, ring) = (named(name)?, self.hands.keys().await?);
        let keys = &ring.current().header.generation;
        let verified = verify(folder, &name, cluster, keys, &**encryption).await;
        serde_json::to_value(Found::of(&name, verified.map_err(failed)?, None)).map_err(failed)
    }

    async fn restore(&self, name: &str) -> Result<Value, Failure> {
        let Hands { cluster, encryption, folder, .. } = &*self.hands;
        let (name, ring) = (named(name)?, self.hands.keys().await?);
        let Keys { generation, rekey, .. } = &ring.current().header;
        let verified = verify(folder, &name, cluster, generation, &**encryption).await;
        let header = verified.map_err(failed)?.header;
        let AtLeader { server, client, login } = self.hands.log_in().await?;
        let opened = unlock(folder, &name, cluster, generation, &**encryption).await;
        let (_, unlocked) = opened.map_err(failed)?;
        let leader = Leader { cluster, server: &server, client, token: &login.token };
        put_in_place(leader, &ring, unlocked).await?;
        let other_shares = header.rekey != *rekey;
        Ok(json!({"taken": header.taken.to_string(), "otherShares": other_shares}))
    }

    async fn rekey(&self, wanted: Wanted, now: Timestamp) -> Result<Value, Failure> {
        let Hands { cluster, store, encryption, .. } = &*self.hands;
        let AtLeader { client, login, .. } = self.hands.log_in().await?;
        let leader = client.with_token(&login.token);
        let ports = Ports {
            cluster,
            leader,
            store: &**store,
            encryption: &**encryption,
            random: &SystemRandom,
            faults: faults::hook(),
        };
        let made = rekey(&ports, wanted, now).await;
        leader.revoke_self().await.ok();
        let Keys { shares, threshold, recovery, .. } = made.map_err(failed)?;
        Ok(json!({"shares": shares, "threshold": threshold, "recovery": recovery}))
    }
}

fn named(text: &str) -> Result<Name, Failure> {
    let strange = || Failure::text(Kind::Failed, format!("{text:?} is no name of a snapshot"));
    Name::parse(text).ok_or_else(strange)
}
