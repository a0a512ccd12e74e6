//! Does what a person asks the unsealers for, and knows what lies on the own volume.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use vaultyard_keys::envelope::Header as Keys;
use vaultyard_keys::rekey::{Ports, Wanted, reinstate, rekey};
use vaultyard_keys::stored::KeyRing;
use vaultyard_model::observed::ServerSeen;
use vaultyard_model::port::keeper::{Keeper, Round};
use vaultyard_model::{Secret, Version};
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::verify::{unlock, verify};
use vaultyard_vault::Client;

use super::hands::{AtLeader, Hands};
use super::operation::{self, Next, Operation, Phase, Progress, Work};
use super::rehearsal::Stage;
use crate::command::snapshot::named;
use crate::command::snapshot::restore::OTHER_SHARES;
use crate::failure::{Failure, Kind, failed};
use crate::snapshots::{Found, Leader, Listed, Moment, Restored, keys_of, put_in_place};
use crate::system::SystemRandom;
use crate::{faults, proving};

/// Between two looks while nothing is told of the `VaultCluster`.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at a place elsewhere while nobody does anything.
const LOOK_ELSEWHERE: Duration = Duration::from_secs(60);
/// How long a cluster with other data may take until a server leads and lets the administrator in.
const LED_AGAIN: Duration = Duration::from_secs(60);

/// Does what is asked for.
pub(crate) struct OperationKeeper {
    pub(crate) hands: Arc<Hands>,
    /// The `VaultCluster`, in which the question stands.
    pub(crate) declared: watch::Receiver<Value>,
    /// How far the last one is.
    pub(crate) told: watch::Sender<Option<Progress>>,
    /// Where snapshots are proven.
    pub(crate) stage: Stage,
    /// The snapshots on the own volume, and those elsewhere.
    pub(crate) kept: watch::Sender<Option<Vec<Listed>>>,
    /// When they were last looked for.
    pub(crate) looked: Option<Looked>,
}

/// A look for what lies elsewhere, where a service has to be asked.
pub(crate) struct Looked {
    at: Timestamp,
    /// What had been done until then, by anybody and by this unsealer.
    operation: Value,
    changes: u64,
    shelf: Arc<Shelf>,
}

#[async_trait]
impl Keeper for OperationKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        self.look(now).await;
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
                self.look(now).await;
                self.told.send_replace(Some(progress));
            }
        }
        Round { did: None, waiting: None, next: LOOK }
    }
}

impl OperationKeeper {
    /// A snapshot on a volume is read where it lies; everything else is done beside the server that leads.
    fn is_mine(&self, work: &Work) -> bool {
        let Some(name) = work.snapshot() else { return self.hands.leads() };
        let kept = self.kept.borrow();
        let kept = kept.iter().flatten().find(|kept| kept.name == name);
        kept.is_some_and(|kept| kept.bucket.is_none() || self.hands.leads())
    }

    /// Whether there may be others than at the last look.
    fn may_differ(&self, shelf: &Arc<Shelf>, operation: &Value, now: Timestamp) -> bool {
        let Some(looked) = self.looked.as_ref().filter(|_| shelf.is_elsewhere()) else {
            return true;
        };
        let age = now.duration_since(looked.at).unsigned_abs();
        age >= LOOK_ELSEWHERE
            || !Arc::ptr_eq(&looked.shelf, shelf)
            || looked.changes != shelf.changes()
            || looked.operation != *operation
    }

    async fn look(&mut self, now: Timestamp) {
        let shelf = self.hands.shelf();
        let operation = self.declared.borrow()["status"]["operation"].clone();
        if !self.may_differ(&shelf, &operation, now) {
            return;
        }
        let changes = shelf.changes();
        self.looked = Some(Looked { at: now, operation, changes, shelf: shelf.clone() });
        match shelf.list().await {
            Ok(all) => {
                let all = Some(all.into_iter().map(Listed::from).collect());
                self.kept.send_if_modified(|kept| {
                    let news = *kept != all;
                    *kept = all;
                    news
                });
            }
            Err(error) => {
                warn!("the snapshots cannot be listed: {error}");
                self.keep_what_is_known(&shelf);
            }
        }
    }

    /// A bucket that is away holds what it held, and what lies on the volume can be used all the same.
    fn keep_what_is_known(&self, shelf: &Shelf) {
        let Ok(here) = shelf.in_folder() else { return };
        let mut all: Vec<_> = here.into_iter().map(Listed::from).collect();
        all.extend(self.kept.borrow().iter().flatten().filter(|it| it.bucket.is_some()).cloned());
        all.sort_by(|one, other| one.name.cmp(&other.name));
        self.kept.send_replace(Some(all));
    }

    async fn carry_out(&self, operation: Operation, now: Timestamp) -> Progress {
        info!(?operation, "begun");
        let Operation { asked, work } = operation;
        let done = match &work {
            Work::TakeSnapshot => self.take(now).await,
            Work::VerifySnapshot { name } => self.verify(name).await,
            Work::ProveSnapshot { name } => self.prove(name, now).await,
            Work::RestoreSnapshot { name } => self.restore(name, now).await,
            Work::DeleteSnapshot { name } => self.delete(name).await,
            Work::Rekey { shares, threshold } => {
                self.rekey(Wanted { shares: *shares, threshold: *threshold }, now).await
            }
        };
        let (phase, message, result) = match done {
            Ok(result) => (Phase::Succeeded, None, Some(result)),
            Err(failure) => {
                warn!("{}", failure.message());
                (Phase::Failed, Some(failure.in_full()), None)
            }
        };
        info!(?phase, "it is over");
        let server = self.hands.server.to_string();
        Progress { asked, phase, server, message, result }
    }

    async fn take(&self, now: Timestamp) -> Result<Value, Failure> {
        let taken = self.hands.take_snapshot(Moment::asked(now)).await?;
        let place = match self.hands.shelf() {
            shelf if shelf.is_elsewhere() => shelf.describe(),
            _ => format!("the volume of {}", self.hands.server),
        };
        Ok(json!({"name": taken.name.to_string(), "index": taken.meta.index, "place": place}))
    }

    async fn verify(&self, name: &str) -> Result<Value, Failure> {
        let (shelf, Hands { cluster, encryption, .. }) = (self.hands.shelf(), &*self.hands);
        let (name, ring) = (named(name)?, self.hands.keys().await?);
        let keys = &ring.current().header.generation;
        let verified = verify(&shelf, &name, cluster, keys, &**encryption).await;
        serde_json::to_value(Found::of(&name, verified.map_err(failed)?, None)).map_err(failed)
    }

    async fn prove(&self, name: &str, now: Timestamp) -> Result<Value, Failure> {
        proving::refuse_a_seal(&self.stage.cluster)?;
        let (shelf, Hands { cluster, encryption, .. }) = (self.hands.shelf(), &*self.hands);
        let (name, ring) = (named(name)?, self.hands.keys().await?);
        let keys = &ring.current().header.generation;
        let verified = verify(&shelf, &name, cluster, keys, &**encryption).await;
        let verified = verified.map_err(failed)?;
        keys_of(&ring, &name, verified.header.rekey)?;
        let version = self.program_for(&verified.header.version)?;
        let AtLeader { client, login, .. } = self.hands.log_in().await?;
        proving::refuse_reaching_out(client, &login.token).await?;
        let all = shelf.list().await.map_err(failed)?;
        let bytes = all.iter().find(|kept| kept.name == name).map_or(0, |kept| kept.bytes);
        let unlocked = unlock(&shelf, &name, cluster, keys, &**encryption).await;
        let (header, unlocked) = unlocked.map_err(failed)?;
        let (began, keys) = (Instant::now(), proving::candidates(&ring, header.rekey));
        let mounts = self.stage.restore(&keys, unlocked, bytes).await?;
        shelf.note_proven(&name, now).await.map_err(failed)?;
        let restored = Restored { seconds: began.elapsed().as_secs_f64(), mounts, version };
        serde_json::to_value(Found::of(&name, verified, Some(restored))).map_err(failed)
    }

    /// The version of the program here, which is no older than what wrote the snapshot.
    fn program_for(&self, snapshot: &str) -> Result<String, Failure> {
        let seen = self.hands.observed.borrow();
        let own = seen.as_ref().and_then(|seen| seen.servers.get(&self.hands.server));
        let here = own.and_then(ServerSeen::version).ok_or_else(|| {
            Failure::text(Kind::Failed, "the server here does not run, whose program it takes")
        })?;
        if Version::new(snapshot).is_ok_and(|snapshot| *here < snapshot) {
            let what = format!("the snapshot is of {snapshot}, and the servers run {here}");
            return Err(Failure::text(Kind::Refused, what)
                .hint("an older program cannot read what a newer one has written"));
        }
        Ok(here.to_string())
    }

    async fn restore(&self, name: &str, now: Timestamp) -> Result<Value, Failure> {
        let (shelf, Hands { cluster, encryption, .. }) = (self.hands.shelf(), &*self.hands);
        let (name, ring) = (named(name)?, self.hands.keys().await?);
        let Keys { generation, rekey, .. } = &ring.current().header;
        let verified = verify(&shelf, &name, cluster, generation, &**encryption).await;
        let header = verified.map_err(failed)?.header;
        keys_of(&ring, &name, header.rekey)?;
        let AtLeader { server, client, login } = self.hands.log_in().await?;
        let opened = unlock(&shelf, &name, cluster, generation, &**encryption).await;
        let (_, unlocked) = opened.map_err(failed)?;
        let leader = Leader { cluster, server: &server, client, token: &login.token };
        put_in_place(leader, &ring, unlocked).await?;
        if header.rekey != *rekey {
            self.reinstate(&ring, header.rekey, now).await?;
        }
        Ok(json!({"taken": header.taken.to_string()}))
    }

    /// The data of an earlier time is there, and the store takes other shares for those that count.
    async fn reinstate(
        &self,
        ring: &KeyRing,
        rekey: Option<u32>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let until = Instant::now() + LED_AGAIN;
        let AtLeader { client, login, .. } = loop {
            match self.hands.log_in().await {
                Ok(leader) => break leader,
                Err(failure) if Instant::now() > until => return Err(failure.hint(OTHER_SHARES)),
                Err(_) => sleep(LOOK).await,
            }
        };
        let ports = self.ports(client, &login.token);
        let kept = reinstate(&ports, ring, rekey, now).await;
        ports.leader.revoke_self().await.ok();
        kept.map_err(|error| failed(error).hint(OTHER_SHARES))
    }

    async fn delete(&self, name: &str) -> Result<Value, Failure> {
        self.hands.shelf().remove(&named(name)?).await.map_err(failed)?;
        Ok(Value::Null)
    }

    async fn rekey(&self, wanted: Wanted, now: Timestamp) -> Result<Value, Failure> {
        // Where a server dies in the middle of it, the way back is the data of before.
        self.hands.take_snapshot(Moment::asked(now)).await?;
        let AtLeader { client, login, .. } = self.hands.log_in().await?;
        let ports = self.ports(client, &login.token);
        let made = rekey(&ports, wanted, now).await;
        ports.leader.revoke_self().await.ok();
        let Keys { shares, threshold, recovery, .. } = made.map_err(failed)?;
        Ok(json!({"shares": shares, "threshold": threshold, "recovery": recovery}))
    }

    fn ports<'a>(&'a self, leader: &'a Client, token: &'a Secret) -> Ports<'a> {
        Ports {
            cluster: &self.hands.cluster,
            leader: leader.with_token(token),
            store: &*self.hands.store,
            encryption: &*self.hands.encryption,
            random: &SystemRandom,
            faults: faults::hook(),
        }
    }
}
