//! The unsealer of one server: initialises the first server of a cluster once, and unseals every
//! server whenever it is sealed.
//!
//! Each round observes (I/O), decides (pure, [`decide`](decide::decide)) and executes at most one
//! step (I/O, no choices). The steps of initialising, in order, with what stands where afterwards:
//!
//! | step | store | server's volume |
//! |---|---|---|
//! | probe-encryption, probe-store | | |
//! | record-intent-in-store | intent | |
//! | record-intent-on-volume | intent | intent |
//! | request | intent | intent |
//! | keep-answer-on-volume | intent | intent, answer |
//! | store-keys | intent, keys | intent, answer |
//! | prove-keys | intent, keys | intent, answer |
//! | release | intent, keys | intent, answer, released |
//! | unseal | intent, keys | intent, answer, released |
//! | forget-answer | intent, keys | intent, released |
//!
//! A process that dies after any of them finds on its next run one line of this table, and each
//! line has one way on. Only the line of `request` has lost something: the answer may have been
//! given and is gone. There is nothing in such a server yet, so it is wiped, under the conditions
//! of invariant 1, and the next attempt gets the next number. After the fourth that one process has
//! lost it waits before the next, longer each time.
//!
//! A server with a seal of its own opens itself as soon as it is initialised, and what comes of
//! `request` are recovery keys. They take the same way through the same steps, but for `unseal`. Nobody
//! can have used a server that is open and whose answer is lost: its only token was in the answer. The
//! others have no list of whom to join (`vaultyard-render`), and are told to when the keys are in the
//! store; so the condition that no other server is initialised means the same.

pub mod decide;
pub mod reason;
pub mod seen;
pub mod step;

mod execute;
mod observe;
mod pace;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::port::host::Host;
use vaultyard_model::port::server::{Operator, Server};
use vaultyard_model::port::volume::Volume;
use vaultyard_model::{ClusterName, ServerName, Software};

pub(crate) use self::execute::of_other_keys;

use self::decide::{Decision, Look, decide};
use self::reason::Reason;
use self::seen::{Memory, Seen, Trouble};
use self::step::Step;
use crate::envelope::{Keys, Split};
use crate::fault::{FaultHook, points};
use crate::last_unsealed::UnsealLog;
use crate::stored::KeyRing;

/// How much room a server's disk must have before it is initialised. A server initialises on 4 MB
/// and is lost with the first write that does not fit.
pub const LEAST_FREE_BYTES: u64 = 100 << 20;

/// How long shares that were given may take to unseal the server before they are given again. A
/// server that joins takes about a second, on a busy machine several.
const GIVEN_LASTS: SignedDuration = SignedDuration::from_secs(10);
/// How long a server may say that it is not initialised while the others work. One that can join
/// does so within seconds.
const JOIN_LASTS: SignedDuration = SignedDuration::from_secs(30);
/// How long after a server was told to join it is told again. Once told it is about to be unsealed.
const JOIN_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// How often it is looked whether an unsealed server still is a member, and for how long the leader must say
/// that it is none before it begins anew.
const MEMBER_LOOK: SignedDuration = SignedDuration::from_secs(10);
const OUTSIDE_LASTS: SignedDuration = SignedDuration::from_secs(10);
/// How long after refused keys they are tried again. Long enough for what a refusal leads to.
const REFUSED_RETRY: SignedDuration = SignedDuration::from_secs(30);
/// There are six things to look at; every decision asks for one that was not looked at yet.
const MOST_LOOKS: usize = 6;

/// Which server, and of what cluster.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The cluster.
    pub cluster: ClusterName,
    /// The server.
    pub server: ServerName,
    /// How the unseal key is split when the cluster is initialised.
    pub split: Split,
    /// What the server runs.
    pub software: Software,
    /// The authority of the servers' certificates, as PEM.
    pub authority: String,
}

/// Everything outside that an unsealer needs.
pub struct Ports {
    /// The server.
    pub own: Arc<dyn Server>,
    /// The other servers of the cluster; asked only before initialising and wiping.
    pub peers: BTreeMap<ServerName, Arc<dyn Server>>,
    /// What holds the server.
    pub host: Arc<dyn Host>,
    /// The records on the server's volume.
    pub volume: Arc<dyn Volume>,
    /// Where keys are kept.
    pub store: Arc<dyn KeyStore>,
    /// What encrypts them.
    pub encryption: Arc<dyn KeyEncryption>,
    /// Randomness for ids and data keys.
    pub random: Arc<dyn Random>,
    /// The cluster as Vaultyard's own login sees it, for replacing a server with foreign data.
    pub operator: Option<Arc<dyn Operator>>,
    /// Where the last unsealing is kept.
    pub log: Option<UnsealLog>,
    /// Fault points.
    pub faults: Arc<dyn FaultHook>,
}

/// What became of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The step that was done.
    pub did: Option<Step>,
    /// Why nothing was done, or why the step failed; `None` when all is well.
    pub held: Option<Reason>,
    /// How long to wait before the next round. A change of the server's process is a reason not
    /// to wait: an unsealer that is called at once unseals at once.
    pub next: Duration,
}

/// The secrets of this process; what is known of them stands in [`Memory`].
#[derive(Default)]
struct Secrets {
    answer: Option<HeldAnswer>,
    keys: Option<Arc<KeyRing>>,
}

struct HeldAnswer {
    keys: Keys,
    /// The same envelope goes to the volume and to the store.
    envelope: Option<Vec<u8>>,
}

/// The unsealer of one server. One task owns it and calls [`round`](Self::round) again and again.
pub struct Unsealer {
    subject: Subject,
    ports: Ports,
    memory: Memory,
    secrets: Secrets,
    failures: u32,
    last: Option<Reason>,
}

impl Unsealer {
    /// An unsealer that knows nothing yet.
    pub fn new(subject: Subject, ports: Ports) -> Self {
        let (memory, secrets) = (Memory::default(), Secrets::default());
        Self { subject, ports, memory, secrets, failures: 0, last: None }
    }

    /// Looks, decides and does at most one step.
    ///
    /// Must run to its end: when it is dropped while the server is being initialised, the answer
    /// is lost and the server has to be wiped.
    pub async fn round(&mut self, now: Timestamp) -> Round {
        let own = self.observe_own(now).await;
        let decision = self.decide(own, now).await;
        let round = match decision {
            Decision::Do(step) => self.perform(step, now).await,
            Decision::Hold(reason) => {
                Round { did: None, next: self.pace(&reason, now), held: Some(reason) }
            }
            Decision::Rest | Decision::Look(_) => Round { did: None, held: None, next: pace::REST },
        };
        self.tell(&round);
        round
    }

    async fn decide(&mut self, own: seen::Own, now: Timestamp) -> Decision {
        let mut seen = Seen {
            server: self.subject.server.clone(),
            now,
            kind: self.subject.split.kind,
            own,
            memory: self.memory.clone(),
            volume: None,
            store: None,
            peers: None,
            leader: None,
            free: None,
            membership: None,
        };
        let decided = self.look_and_decide(&mut seen, now).await;
        let done = decided == Decision::Rest && seen.membership.is_some();
        if let Some(looked) = self.memory.member_looked.as_mut().filter(|_| done) {
            *looked = now;
        }
        decided
    }

    async fn look_and_decide(&mut self, seen: &mut Seen, now: Timestamp) -> Decision {
        for _ in 0..MOST_LOOKS {
            match decide(seen) {
                Decision::Look(Look::Volume) => seen.volume = Some(self.observe_volume().await),
                Decision::Look(Look::Store) => seen.store = Some(self.observe_store().await),
                Decision::Look(Look::Peers) => seen.peers = Some(self.observe_peers().await),
                Decision::Look(Look::Leader) => seen.leader = Some(self.observe_leader().await),
                Decision::Look(Look::Free) => seen.free = Some(self.observe_free()),
                Decision::Look(Look::Membership) => {
                    let membership = self.observe_membership().await;
                    self.note_membership(&membership, now);
                    seen.membership = Some(membership);
                }
                decided => return decided,
            }
            // What was looked at may have brought keys into memory, or shown that they are others.
            seen.memory = self.memory.clone();
        }
        decide(seen)
    }

    async fn perform(&mut self, step: Step, now: Timestamp) -> Round {
        let [before, after] = points("keys", step.name());
        self.ports.faults.reached(&before);
        let done = self.execute(&step, now).await;
        self.ports.faults.reached(&after);
        match done {
            Ok(()) => {
                self.failures = 0;
                info!(server = %self.subject.server, step = step.name(), "done");
                Round { did: Some(step), held: None, next: Duration::ZERO }
            }
            Err(trouble) => {
                self.failures += 1;
                let what =
                    Trouble { text: format!("{}: {}", step.name(), trouble.text), ..trouble };
                let next = pace::after_failures(self.failures, what.passes);
                Round { did: None, held: Some(Reason::from(&what)), next }
            }
        }
    }

    /// A reason is logged when it is new, not every time it is found again.
    fn tell(&mut self, round: &Round) {
        if round.held != self.last {
            match &round.held {
                Some(reason @ Reason::Stuck(_)) => warn!(server = %self.subject.server, "{reason}"),
                Some(reason) => info!(server = %self.subject.server, "{reason}"),
                None => {}
            }
            self.last.clone_from(&round.held);
        }
    }
}
