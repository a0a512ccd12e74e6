//! What holds a server of a [`FakeCluster`](crate::fake_cluster::FakeCluster).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use vaultyard_model::ServerName;
use vaultyard_model::observed::{LastEnd, ProcessSeen};
use vaultyard_model::port::host::{Host, HostError, Signal};

use crate::fake_cluster::{Model, One, Wipe};
use crate::lock::lock;

/// The process and the data of a fake server.
#[derive(Debug, Clone)]
pub struct FakeHost {
    pub(crate) name: ServerName,
    pub(crate) model: Arc<Mutex<Model>>,
}

impl FakeHost {
    fn with(&self, change: impl FnOnce(&mut One)) -> Result<(), HostError> {
        let mut model = lock(&self.model);
        let missing = || HostError { what: self.name.to_string(), why: "unknown".to_owned() };
        model.servers.get_mut(&self.name).map(change).ok_or_else(missing)
    }
}

#[async_trait]
impl Host for FakeHost {
    fn process(&self) -> ProcessSeen {
        let model = lock(&self.model);
        match model.servers.get(&self.name) {
            Some(one) if !one.dead => {
                ProcessSeen::Running { pid: 1_000 + one.restarts, since: Timestamp::UNIX_EPOCH }
            }
            _ => ProcessSeen::Stopped,
        }
    }

    fn last_end(&self) -> Option<LastEnd> {
        None
    }

    fn election_won(&self) -> Option<Timestamp> {
        None
    }

    async fn restart_process(&self, pid: u32, signal: Signal, why: &str) -> Result<(), HostError> {
        if self.process().pid() == Some(pid) {
            return self.restart(signal, why).await;
        }
        Ok(())
    }

    async fn restart(&self, _signal: Signal, _why: &str) -> Result<(), HostError> {
        self.with(|one| {
            one.sealed = true;
            one.given.clear();
            one.restarts += 1;
        })
    }

    async fn wipe(&self, _why: &str) -> Result<(), HostError> {
        {
            let mut model = lock(&self.model);
            let data = model.servers.get(&self.name).and_then(|one| one.data);
            let in_use = data.is_some_and(|serial| model.unsealed_ever.contains(&serial));
            let member = model.members.contains_key(&self.name);
            model.wipes.push(Wipe { server: self.name.clone(), data, in_use, member });
        }
        self.with(|one| {
            one.data = None;
            one.stuck = false;
            one.sealed = true;
            one.dead = false;
            one.given.clear();
            one.restarts += 1;
        })
    }

    async fn reload(&self) -> Result<(), HostError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, HostError> {
        let mut free = 0;
        self.with(|one| free = one.free_bytes)?;
        Ok(free)
    }
}
