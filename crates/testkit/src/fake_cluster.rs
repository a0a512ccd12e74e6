//! A model of servers as they really behave when they are initialised, joined, sealed and lost:
//! an initialisation whose answer is lost, or that leaves the server stuck, or that is refused
//! and happened all the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use vaultyard_model::observed::{Peer, SealStatus, State};
use vaultyard_model::port::server::CallError;
use vaultyard_model::{ClusterName, ServerName};

use crate::fake_host::FakeHost;
use crate::fake_server::FakeServer;
use crate::lock::lock;

/// How the next initialisation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialising {
    /// 200 with keys.
    Works,
    /// The server is initialised; the answer never arrives.
    LosesAnswer,
    /// No answer; the server says 501 for ever and refuses every further initialisation.
    GetsStuck,
    /// 400, and the server is initialised.
    RefusedButDone,
    /// Nothing was sent.
    Unreachable,
}

/// Which keys a server's data is encrypted under: the serial number of an initialisation.
pub type Serial = u32;

#[derive(Debug, Clone, Default)]
pub(crate) struct One {
    pub(crate) dead: bool,
    pub(crate) stuck: bool,
    /// How often it has looked for an unsealed server to join.
    pub(crate) looked: u32,
    pub(crate) data: Option<Serial>,
    pub(crate) sealed: bool,
    pub(crate) given: Vec<String>,
    pub(crate) restarts: u32,
    pub(crate) free_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Whether the servers have a seal that opens them.
    pub(crate) seal: bool,
    pub(crate) servers: BTreeMap<ServerName, One>,
    pub(crate) members: BTreeMap<ServerName, Serial>,
    pub(crate) splits: BTreeMap<Serial, (u8, u8)>,
    pub(crate) next: Option<Initialising>,
    pub(crate) serial: Serial,
    pub(crate) unsealed_ever: Vec<Serial>,
    pub(crate) wipes: Vec<Wipe>,
}

/// A wipe that somebody asked for, with what was lost by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wipe {
    /// Whose data.
    pub server: ServerName,
    /// Which keys the data was under, when there was any.
    pub data: Option<Serial>,
    /// Whether a server with this data had ever been unsealed: then it may have held secrets.
    pub in_use: bool,
    /// Whether the server was in the raft configuration.
    pub member: bool,
}

/// A server finds the one that it joins when it looks for the so-many-th time.
const LOOKS: u32 = 8;

/// A cluster of fake servers.
#[derive(Debug, Clone)]
pub struct FakeCluster {
    name: ClusterName,
    pub(crate) model: Arc<Mutex<Model>>,
}

impl FakeCluster {
    /// `count` servers that run and are not initialised.
    pub fn new(name: &ClusterName, count: u8) -> Self {
        let fresh = One { sealed: true, free_bytes: 1 << 40, ..One::default() };
        let servers = (0..count).map(|ordinal| (name.server(ordinal), fresh.clone())).collect();
        let model = Model { servers, ..Model::default() };
        Self { name: name.clone(), model: Arc::new(Mutex::new(model)) }
    }

    /// The same with a seal of their own, which opens them whenever they have data and run.
    pub fn with_seal(name: &ClusterName, count: u8) -> Self {
        let cluster = Self::new(name, count);
        lock(&cluster.model).seal = true;
        cluster
    }

    /// The API of a server.
    pub fn server(&self, ordinal: u8) -> FakeServer {
        FakeServer { name: self.name.server(ordinal), model: Arc::clone(&self.model) }
    }

    /// What holds a server.
    pub fn host(&self, ordinal: u8) -> FakeHost {
        FakeHost { name: self.name.server(ordinal), model: Arc::clone(&self.model) }
    }

    /// How the next initialisation ends; those after it work.
    pub fn next_initialisation(&self, how: Initialising) {
        lock(&self.model).next = Some(how);
    }

    /// Stops a server, or lets it run (sealed) again.
    pub fn set_dead(&self, ordinal: u8, dead: bool) {
        self.change(ordinal, |one| {
            one.dead = dead;
            one.sealed = true;
            one.given.clear();
            one.restarts += u32::from(!dead);
        });
    }

    /// Ends a server and starts it again.
    pub fn restart(&self, ordinal: u8) {
        self.set_dead(ordinal, true);
        self.set_dead(ordinal, false);
    }

    /// Deletes a server's data, as a person would.
    pub fn delete_data(&self, ordinal: u8) {
        self.change(ordinal, |one| {
            one.data = None;
            one.stuck = false;
            one.sealed = true;
        });
    }

    /// Gives a server the data of some other, unknown cluster.
    pub fn plant_foreign_data(&self, ordinal: u8) {
        let mut model = lock(&self.model);
        model.serial += 1;
        let serial = model.serial;
        model.splits.insert(serial, (5, 3));
        drop(model);
        self.change(ordinal, |one| {
            one.data = Some(serial);
            one.sealed = true;
        });
    }

    /// How much room a server's disk has.
    pub fn set_free_bytes(&self, ordinal: u8, bytes: u64) {
        self.change(ordinal, |one| one.free_bytes = bytes);
    }

    /// Which keys a server's data is under.
    pub fn data(&self, ordinal: u8) -> Option<Serial> {
        lock(&self.model).servers.get(&self.name.server(ordinal)).and_then(|one| one.data)
    }

    /// Whether a server is unsealed.
    pub fn is_unsealed(&self, ordinal: u8) -> bool {
        let model = lock(&self.model);
        model.servers.get(&self.name.server(ordinal)).is_some_and(|one| !one.dead && !one.sealed)
    }

    /// Whether a server says that it is not initialised and refuses to be.
    pub fn is_stuck(&self, ordinal: u8) -> bool {
        lock(&self.model).servers.get(&self.name.server(ordinal)).is_some_and(|one| one.stuck)
    }

    /// Takes a server out of the raft configuration, of which it does not hear itself.
    pub fn take_out(&self, ordinal: u8) {
        lock(&self.model).members.remove(&self.name.server(ordinal));
    }

    /// Whether it is in the raft configuration.
    pub fn is_member(&self, ordinal: u8) -> bool {
        lock(&self.model).members.contains_key(&self.name.server(ordinal))
    }

    /// The initialisations under whose keys a server was ever unsealed.
    pub fn unsealed_ever(&self) -> Vec<Serial> {
        lock(&self.model).unsealed_ever.clone()
    }

    /// All wipes that were asked for.
    pub fn wipes(&self) -> Vec<Wipe> {
        lock(&self.model).wipes.clone()
    }

    fn change(&self, ordinal: u8, change: impl FnOnce(&mut One)) {
        if let Some(one) = lock(&self.model).servers.get_mut(&self.name.server(ordinal)) {
            change(one);
        }
    }
}

impl Model {
    /// The server, when it answers.
    pub(crate) fn alive(&mut self, name: &ServerName) -> Result<&mut One, CallError> {
        if self.seal {
            self.open(name);
        } else {
            self.join(name);
        }
        match self.servers.get_mut(name) {
            Some(one) if !one.dead => Ok(one),
            _ => Err(CallError::Unreachable("connection refused".to_owned())),
        }
    }

    /// The server's own seal opens it.
    fn open(&mut self, name: &ServerName) {
        let one = self.servers.get_mut(name).filter(|one| !one.dead && one.data.is_some());
        let Some(serial) = one.and_then(|one| {
            one.sealed = false;
            one.data
        }) else {
            return;
        };
        self.members.insert(name.clone(), serial);
    }

    /// A server without data finds an unsealed one, though not at once, and becomes sealed under the
    /// same keys. Server 0 asks the others too once they are a cluster.
    fn join(&mut self, name: &ServerName) {
        let unsealed = self.servers.iter().find(|(_, one)| !one.dead && !one.sealed);
        let Some(serial) = unsealed.and_then(|(_, one)| one.data) else {
            return;
        };
        if let Some(one) = self.servers.get_mut(name)
            && !one.dead
            && one.data.is_none()
            && !one.stuck
        {
            one.looked += 1;
            if one.looked.is_multiple_of(LOOKS) {
                one.data = Some(serial);
            }
        }
    }

    pub(crate) fn state(&mut self, name: &ServerName) -> Result<State, CallError> {
        let first = self.active();
        let one = self.alive(name)?;
        Ok(match (one.data, one.sealed) {
            (None, _) => State::Uninitialised,
            (Some(_), true) => State::Sealed,
            (Some(_), false) if first.as_ref() == Some(name) => State::Active,
            (Some(_), false) => State::Standby,
        })
    }

    /// The first unsealed server leads.
    pub(crate) fn active(&self) -> Option<ServerName> {
        self.servers.iter().find(|(_, one)| !one.dead && !one.sealed).map(|(name, _)| name.clone())
    }

    pub(crate) fn seal_status(&mut self, name: &ServerName) -> Result<SealStatus, CallError> {
        let one = self.alive(name)?;
        let (data, sealed, given) = (one.data, one.sealed, one.given.len());
        let (shares, threshold) =
            data.and_then(|serial| self.splits.get(&serial).copied()).unwrap_or((0, 0));
        Ok(SealStatus {
            initialized: data.is_some(),
            sealed: sealed || data.is_none(),
            threshold,
            shares,
            progress: u8::try_from(given).unwrap_or(u8::MAX),
        })
    }

    pub(crate) fn raft(&self) -> Vec<Peer> {
        let active = self.active();
        let peer = |server: &ServerName| Peer {
            server: server.clone(),
            voter: true,
            leader: active.as_ref() == Some(server),
        };
        self.members.keys().map(peer).collect()
    }
}

/// The text of one share of an initialisation.
pub(crate) fn share(serial: Serial, number: u8) -> String {
    format!("share-{number}-of-initialisation-{serial}")
}

/// A refusal with one error.
pub(crate) fn refused(status: u16, error: &str) -> CallError {
    CallError::Refused { status, errors: vec![error.to_owned()] }
}
