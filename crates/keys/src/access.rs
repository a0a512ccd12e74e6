//! No standing root token: logins and policies for Vaultyard and for the administrator are made
//! with the first root token and proven, so is the way back in when they are lost; only then the
//! token is revoked, and that no root token is left is proven too.
//!
//! Runs once in a cluster's life. Every step can be repeated, and a process that dies at any point
//! goes on: while the first root token lives, from the beginning; when it is gone, from the sweep.
//! That all is done stands in the cluster itself, so that every later start finds it with one read;
//! with it stands what was set up for service accounts, so that a later Vaultyard that sets up more
//! does only that.

pub mod decide;
pub mod policy;
pub mod step;

mod execute;

pub use execute::root_accessors;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::info;
use vaultyard_model::Secret;
use vaultyard_model::access::{Identity, ServiceIdentity};
use vaultyard_model::port::server::CallError;
use vaultyard_vault::Client;

use self::decide::{Decision, Look, Marker, Reason, Root, Seen, decide};
use self::step::Step;
use crate::envelope::Keys;
use crate::fault::{FaultHook, points};
use crate::generate_root::record::RootRecord;

/// The secret in Vaultyard's own mount that says that no root token is left.
pub const MARKER_PATH: &str = "access";

/// What is to be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The authorities that client certificates come from, PEM.
    pub client_authorities: String,
    /// The file, relative to a server's working directory, that an audit device is enabled for; `None` where
    /// the configuration declares it.
    pub audit_file: Option<String>,
    /// Whether `secret/` is mounted too, for a cluster that people try out.
    pub secret_mount: bool,
    /// How soon a server that has joined becomes a voter, as in `1s`.
    pub stabilization_time: String,
    /// Who logs in with tokens of Kubernetes; `None` where the cluster does not run there.
    pub service_accounts: Option<ServiceAccounts>,
}

/// The service accounts that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccounts {
    /// What each is called.
    pub names: BTreeMap<ServiceIdentity, String>,
    /// Their namespace.
    pub namespace: String,
    /// Whom their tokens must be meant for: this cluster and no other.
    pub audience: String,
}

/// The active server, asked in three ways.
#[derive(Clone, Copy)]
pub struct Leader<'a> {
    /// With Vaultyard's certificate.
    pub vaultyard: &'a Client,
    /// With the administrator's certificate.
    pub administrator: &'a Client,
    /// Over its unix socket.
    pub socket: &'a Client,
}

/// What became of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The step that was done.
    pub did: Option<Step>,
    /// Why it does not go on.
    pub held: Option<Reason>,
    /// Since when there is no standing root token; `None` until that is proven.
    pub established: Option<Timestamp>,
    /// How long to wait before the next round.
    pub next: Duration,
}

/// What this process has done, or found out for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// Steps that were done.
    pub done: BTreeSet<Step>,
    /// The accessor of the first root token, as long as it is not proven gone.
    pub root_accessor: Option<String>,
    /// Since when there is no root token, when the cluster said so and lacked something else.
    pub marked: Option<Timestamp>,
    /// Since when all is done.
    pub established: Option<Timestamp>,
}

/// Sets up access to one cluster. One task owns it and calls [`round`](Self::round) until
/// `established`.
pub struct Access {
    settings: Settings,
    keys: Arc<Keys>,
    record: RootRecord,
    faults: Arc<dyn FaultHook>,
    memory: Memory,
}

impl Access {
    /// Access to the cluster of `keys`.
    pub fn new(
        settings: Settings,
        keys: Arc<Keys>,
        record: RootRecord,
        faults: Arc<dyn FaultHook>,
    ) -> Self {
        Self { settings, keys, record, faults, memory: Memory::default() }
    }

    /// Looks, decides and does at most one step, at the active server.
    pub async fn round(&mut self, leader: Leader<'_>, now: Timestamp) -> Round {
        let mut seen = Seen {
            memory: self.memory.clone(),
            keys: self.keys.header.generation.clone(),
            audit: self.settings.audit_file.is_some(),
            secret_mount: self.settings.secret_mount,
            service_accounts: self.service_accounts(),
            marker: None,
            root: None,
        };
        let decision = loop {
            match decide(&seen) {
                Decision::Look(Look::Marker) => seen.marker = Some(observe_marker(leader).await),
                Decision::Look(Look::Root) => seen.root = Some(self.observe_root(leader).await),
                Decision::MakeUp(at) => {
                    self.memory.marked = Some(at);
                    seen.memory.marked = Some(at);
                }
                decided => break decided,
            }
        };
        match decision {
            Decision::Do(step) => self.perform(step, leader, now).await,
            Decision::Hold(reason) => self.ended(None, Some(reason), Duration::from_secs(1)),
            Decision::Established(at) => {
                self.memory.established = Some(at);
                self.ended(None, None, Duration::from_secs(60))
            }
            Decision::Look(_) | Decision::MakeUp(_) => self.ended(None, None, Duration::ZERO),
        }
    }

    fn service_accounts(&self) -> Option<String> {
        self.settings.service_accounts.as_ref().map(policy::service_fingerprint)
    }

    fn ended(&self, did: Option<Step>, held: Option<Reason>, next: Duration) -> Round {
        Round { did, held, established: self.memory.established, next }
    }

    async fn perform(&mut self, step: Step, leader: Leader<'_>, now: Timestamp) -> Round {
        let [before, after] = points("access", step.name());
        self.faults.reached(&before);
        let done = self.execute(step, leader, now).await;
        self.faults.reached(&after);
        match done {
            Ok(()) => {
                info!(step = step.name(), "done");
                self.memory.done.insert(step);
                self.ended(Some(step), None, Duration::ZERO)
            }
            Err(error) => {
                let reason = Reason::Failed { step, why: error.to_string() };
                self.ended(None, Some(reason), Duration::from_millis(200))
            }
        }
    }

    async fn observe_root(&mut self, leader: Leader<'_>) -> Root {
        match leader.vaultyard.with_token(&self.keys.root_token).look_up_self().await {
            Ok(token) => {
                self.memory.root_accessor = Some(token.accessor);
                Root::Lives
            }
            Err(CallError::Refused { status: 403, .. }) => Root::Gone,
            Err(error) => Root::Unknown(error.to_string()),
        }
    }
}

/// What stands in the cluster. That the login does not work yet is what a new cluster looks like.
async fn observe_marker(leader: Leader<'_>) -> Marker {
    let token = match execute::log_in(leader.vaultyard, Identity::Vaultyard).await {
        Ok(token) => token,
        Err(CallError::Refused { status: 400 | 403 | 404, .. }) => return Marker::Absent,
        Err(error) => return Marker::Unknown(error.to_string()),
    };
    read_marker(leader.vaultyard, &token).await
}

async fn read_marker(client: &Client, token: &Secret) -> Marker {
    use vaultyard_model::access::OWN_MOUNT;
    match client.with_token(token).read_kv(OWN_MOUNT, MARKER_PATH).await {
        Ok(Some(fields)) => Marker::from_fields(&fields),
        Ok(None) | Err(CallError::Refused { status: 403 | 404, .. }) => Marker::Absent,
        Err(error) => Marker::Unknown(error.to_string()),
    }
}
