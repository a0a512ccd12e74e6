//! A cluster of fakes, and a process of Vaultyard that can die in it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use vaultyard_keys::envelope::Split;
use vaultyard_keys::fault::FaultHook;
use vaultyard_keys::initialise::reason::{Reason, Stuck};
use vaultyard_keys::initialise::step::{Step, Wipe};
use vaultyard_keys::initialise::{Ports, Subject, Unsealer};
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::record::Generation;
use vaultyard_model::observed::Peer;
use vaultyard_model::port::custody::{KeyStore, ObjectName};
use vaultyard_model::port::server::{CallError, KeyKind, Operator, Server};
use vaultyard_model::port::volume::{Record, Volume};
use vaultyard_model::{ClusterName, ServerName, Software};
use vaultyard_testkit::fake_cluster::FakeCluster;
use vaultyard_testkit::fake_encryption::FakeEncryption;
use vaultyard_testkit::fake_server::FakeServer;
use vaultyard_testkit::fake_store::FakeStore;
use vaultyard_testkit::fake_volume::FakeVolume;
use vaultyard_testkit::fixed::SeededRandom;

pub(crate) const SERVERS: u8 = 3;

/// What outlives a process.
pub(crate) struct World {
    pub(crate) name: ClusterName,
    pub(crate) cluster: FakeCluster,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) volumes: Vec<Arc<FakeVolume>>,
    pub(crate) encryption: Arc<FakeEncryption>,
    /// How many members of the raft configuration vote and have no name here.
    pub(crate) strangers: usize,
    kind: KeyKind,
    random: Arc<SeededRandom>,
    log: Option<(TempDir, UnsealLog)>,
    now: Timestamp,
}

/// One process: an unsealer for each server.
pub(crate) struct Process {
    pub(crate) unsealers: Vec<Unsealer>,
    pub(crate) did: Vec<Step>,
    pub(crate) held: BTreeMap<u8, Reason>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every server is unsealed under the same keys.
    Works,
    /// At least one needs a person; what the first of them says.
    Stuck(Stuck),
    /// Neither, for longer than anything takes.
    Hangs(BTreeMap<u8, Reason>),
}

/// The raft configuration, in which servers of no name here vote too.
struct Raft {
    seen_by: FakeServer,
    strangers: usize,
}

#[async_trait]
impl Operator for Raft {
    async fn peers(&self) -> Result<Vec<Peer>, CallError> {
        self.seen_by.peers().await
    }

    async fn voters(&self) -> Result<usize, CallError> {
        Ok(self.seen_by.voters().await? + self.strangers)
    }

    async fn probe(&self, leader: &ServerName) -> Result<(), CallError> {
        self.seen_by.probe(leader).await
    }

    async fn advance(&self) -> Result<(), CallError> {
        self.seen_by.advance().await
    }

    async fn read_own(&self, path: &str) -> Result<Option<BTreeMap<String, String>>, CallError> {
        self.seen_by.read_own(path).await
    }

    async fn remove_peer(&self, server: &ServerName) -> Result<(), CallError> {
        self.seen_by.remove_peer(server).await
    }
}

/// Dies at one point, once; keeps the names of all that are reached.
#[derive(Default)]
pub(crate) struct Deaths {
    at: Mutex<Option<String>>,
    pub(crate) reached: Mutex<BTreeSet<String>>,
}

struct Died;

impl Deaths {
    pub(crate) fn at(point: &str) -> Arc<Self> {
        let deaths = Self::default();
        *deaths.at.lock().unwrap() = Some(point.to_owned());
        Arc::new(deaths)
    }
}

impl FaultHook for Deaths {
    fn reached(&self, point: &str) {
        self.reached.lock().unwrap().insert(point.to_owned());
        let dies = self.at.lock().unwrap().take_if(|at| at == point).is_some();
        if dies {
            // Unwinds without a message: it is no failure of the test.
            resume_unwind(Box::new(Died));
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::seeded(7)
    }

    /// Servers with a seal of their own.
    pub(crate) fn with_seal() -> Self {
        let world = Self::new();
        let cluster = FakeCluster::with_seal(&world.name, SERVERS);
        Self { cluster, kind: KeyKind::Recovery, ..world }
    }

    /// One or the other.
    pub(crate) fn of(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Unseal => Self::new(),
            KeyKind::Recovery => Self::with_seal(),
        }
    }

    /// A world whose ids and keys differ from those of other seeds.
    pub(crate) fn seeded(seed: u64) -> Self {
        let name = ClusterName::new("vault").unwrap();
        Self {
            cluster: FakeCluster::new(&name, SERVERS),
            name,
            store: Arc::default(),
            volumes: (0..SERVERS).map(|_| Arc::default()).collect(),
            encryption: Arc::default(),
            strangers: 0,
            kind: KeyKind::Unseal,
            random: Arc::new(SeededRandom::new(seed)),
            log: None,
            now: Timestamp::from_second(1_790_000_000).unwrap(),
        }
    }

    /// The same, with the log of unsealings in a folder of its own.
    pub(crate) fn with_log() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = UnsealLog::new(folder.path().join("last-unsealed.json"));
        Self { log: Some((folder, log)), ..Self::new() }
    }

    /// Another cluster: neither its ids nor its keys are ever those of the first one.
    pub(crate) fn another() -> Self {
        let world = Self::seeded(8);
        for _ in 0..1_000 {
            world.cluster.plant_foreign_data(0);
        }
        world.cluster.delete_data(0);
        world
    }

    /// Lets the log of unsealings name only this server.
    pub(crate) fn log_only(&self, server: u8) {
        let (folder, log) = self.log.as_ref().unwrap();
        let last = log.unsealings().into_values().next().unwrap();
        std::fs::remove_file(folder.path().join("last-unsealed.json")).unwrap();
        log.keep(last, &self.name.server(server)).unwrap();
    }

    pub(crate) fn process(&self, faults: Arc<dyn FaultHook>) -> Process {
        let unsealers = (0..SERVERS).map(|ordinal| self.unsealer(ordinal, Arc::clone(&faults)));
        Process { unsealers: unsealers.collect(), did: Vec::new(), held: BTreeMap::new() }
    }

    fn unsealer(&self, ordinal: u8, faults: Arc<dyn FaultHook>) -> Unsealer {
        let subject = Subject {
            cluster: self.name.clone(),
            server: self.name.server(ordinal),
            split: Split { kind: self.kind, shares: 5, threshold: 3 },
            software: Software::OpenBao,
            authority: String::new(),
        };
        let peer = |n| (self.name.server(n), Arc::new(self.cluster.server(n)) as Arc<dyn Server>);
        let own = self.cluster.server(ordinal);
        let ports = Ports {
            own: Arc::new(own.clone()),
            peers: (0..SERVERS).filter(|n| *n != ordinal).map(peer).collect(),
            host: Arc::new(self.cluster.host(ordinal)),
            volume: self.volumes[usize::from(ordinal)].clone(),
            store: self.store.clone(),
            encryption: self.encryption.clone(),
            random: self.random.clone(),
            operator: Some(Arc::new(Raft { seen_by: own, strangers: self.strangers })),
            log: self.log.as_ref().map(|(_, log)| log.clone()),
            faults,
        };
        Unsealer::new(subject, ports)
    }

    /// One round of every unsealer. `false` when the process died in it.
    pub(crate) async fn round(&mut self, process: &mut Process) -> bool {
        self.now = self.now.checked_add(SignedDuration::from_millis(500)).unwrap();
        for (ordinal, unsealer) in (0..).zip(&mut process.unsealers) {
            let round = AssertUnwindSafe(unsealer.round(self.now)).catch_unwind().await;
            let round = match round {
                Ok(round) => round,
                Err(death) => return died(death),
            };
            if let Some(Step::Wipe(Wipe::LostAnswer(intent))) = &round.did {
                self.check_lost_answer(intent).await;
            }
            process.did.extend(round.did);
            match round.held {
                Some(reason) => process.held.insert(ordinal, reason),
                None => process.held.remove(&ordinal),
            };
        }
        true
    }

    /// Rounds until all is well, or somebody is needed, or too long. `None` when the process died.
    pub(crate) async fn settle(&mut self, process: &mut Process) -> Option<End> {
        const LONG: usize = 120;
        const STUCK_FOR: usize = 40;
        let mut stuck_for = 0;
        for _ in 0..LONG {
            let before = process.did.len();
            if !self.round(process).await {
                return None;
            }
            let quiet = process.did.len() == before && process.held.is_empty();
            if quiet && self.works() {
                return Some(End::Works);
            }
            let stuck = process.held.values().find_map(|reason| match reason {
                Reason::Stuck(stuck) => Some(stuck.clone()),
                Reason::Waiting(_) => None,
            });
            stuck_for += usize::from(stuck.is_some());
            if let Some(stuck) = stuck.filter(|_| stuck_for >= STUCK_FOR) {
                return Some(End::Stuck(stuck));
            }
        }
        Some(End::Hangs(process.held.clone()))
    }

    /// A new process without faults, until it settles.
    pub(crate) async fn up(&mut self) -> (End, Process) {
        let mut process = self.process(Arc::new(vaultyard_keys::fault::NoFaults));
        let end = self.settle(&mut process).await.unwrap();
        (end, process)
    }

    pub(crate) fn works(&self) -> bool {
        let unsealed = (0..SERVERS).all(|n| self.cluster.is_unsealed(n));
        let data: BTreeSet<_> = (0..SERVERS).map(|n| self.cluster.data(n)).collect();
        unsealed && data.len() == 1
    }

    pub(crate) fn restart_all(&self) {
        for n in 0..SERVERS {
            self.cluster.set_dead(n, true);
        }
        for n in 0..SERVERS {
            self.cluster.set_dead(n, false);
        }
    }

    /// A server was just wiped for a lost answer: its volume and the store hold the very same intent.
    async fn check_lost_answer(&self, intent: &Generation) {
        let on_volume = self.volumes[0].read(Record::Intent).await.unwrap().unwrap();
        let in_store = self.store.read(&ObjectName::Intent(intent.attempt)).await.unwrap().unwrap();
        assert_eq!(on_volume, in_store.bytes);
        assert!(!self.volumes[0].has(Record::Released));
    }

    /// What must hold at every moment of every history.
    pub(crate) fn check(&self) {
        let clusters: BTreeSet<_> = self.cluster.unsealed_ever().into_iter().collect();
        assert!(clusters.len() <= 1, "two clusters were in use: {clusters:?}");
        for wipe in self.cluster.wipes() {
            if wipe.server.initialises() {
                assert!(!wipe.in_use, "a server in use was wiped: {wipe:?}");
            } else {
                let foreign = wipe.data.is_some_and(|data| !clusters.contains(&data));
                assert!(foreign && !wipe.member, "another server was wiped: {wipe:?}");
            }
        }
    }
}

fn died(death: Box<dyn Any + Send>) -> bool {
    if death.is::<Died>() {
        return false;
    }
    resume_unwind(death)
}
