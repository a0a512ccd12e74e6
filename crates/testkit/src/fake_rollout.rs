//! Servers that are replaced as soon as somebody asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::rollout::{Rollout, Stale, Standing};
use vaultyard_model::{ServerName, Version};

use crate::lock::lock;

/// What a [`FakeRollout`] was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A snapshot was taken.
    Snapshot,
    /// This server was replaced; whether it was said to lead.
    Replace(ServerName, bool),
    /// This one was to stand too.
    Add(ServerName),
    /// This one was to go for good.
    Remove(ServerName),
}

/// A rollout that exists only here.
pub struct FakeRollout {
    standing: Mutex<Standing>,
    asked: Mutex<Vec<Asked>>,
}

impl FakeRollout {
    /// These servers are wanted, in this version, to which some are to be changed.
    pub fn new(
        version: Version,
        servers: BTreeSet<ServerName>,
        stale: BTreeMap<ServerName, Stale>,
    ) -> Self {
        let standing =
            Standing { generation: 1, version, servers, stale, snapshot: false, hindrance: None };
        Self { standing: Mutex::new(standing), asked: Mutex::default() }
    }

    /// From now on no server may be ended, for this reason.
    pub fn hinder(&self, why: &str) {
        lock(&self.standing).hindrance = Some(why.to_owned());
    }

    /// A person asks for the same once more.
    pub fn ask_again(&self) {
        lock(&self.standing).generation += 1;
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}

#[async_trait]
impl Rollout for FakeRollout {
    async fn standing(&self) -> Result<Standing, HostError> {
        Ok(lock(&self.standing).clone())
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        lock(&self.asked).push(Asked::Snapshot);
        lock(&self.standing).snapshot = true;
        Ok(())
    }

    async fn replace(
        &self,
        server: &ServerName,
        leads: bool,
        _: &Version,
    ) -> Result<(), HostError> {
        lock(&self.asked).push(Asked::Replace(server.clone(), leads));
        lock(&self.standing).stale.remove(server);
        Ok(())
    }

    async fn add(&self, server: &ServerName) -> Result<(), HostError> {
        lock(&self.asked).push(Asked::Add(server.clone()));
        Ok(())
    }

    async fn remove(&self, server: &ServerName) -> Result<(), HostError> {
        lock(&self.asked).push(Asked::Remove(server.clone()));
        Ok(())
    }

    async fn note_well(&self, _: &ServerName) -> Result<(), HostError> {
        Ok(())
    }
}
