//! The keeper of access: sets up logins with the first root token, sees it gone, and afterwards
//! knows whether a root token that somebody made from the shares still lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use vaultyard_keys::access::decide::Reason;
use vaultyard_keys::access::step::Step;
use vaultyard_keys::access::{Access, Leader, Settings, root_accessors};
use vaultyard_keys::generate_root::record::RootRecord;
use vaultyard_keys::stored::{self, LoadError};
use vaultyard_model::observed::Observed;
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::{ClusterName, ServerName, Software};
use vaultyard_render::server_configuration::AUDIT_FILE;
use vaultyard_vault::{Client, Session};

use crate::faults;

/// Between two looks, which cost next to nothing, while somebody else has to do something first.
const SOON: Duration = Duration::from_millis(5);
/// Between two looks while a server leads that somebody else takes care of.
const ELSEWHERE: Duration = Duration::from_millis(200);
/// Between two looks whether a root token lives.
const CALM: Duration = Duration::from_secs(2);
/// A server that joined becomes a voter this soon, instead of after ten seconds.
pub(crate) const STABILIZATION_TIME: &str = "1s";

/// The audit file that servers of this software are told to write once they are unsealed.
pub(crate) fn audit_file(software: Software) -> Option<String> {
    (!software.declares_audit()).then(|| AUDIT_FILE.to_owned())
}

/// One server, asked in every way that setting up access needs.
pub(crate) struct Ways {
    /// With Vaultyard's certificate.
    pub(crate) vaultyard: Arc<Client>,
    /// With the administrator's certificate.
    pub(crate) administrator: Arc<Client>,
    /// Over its unix socket.
    pub(crate) socket: Client,
}

/// What access to a cluster is kept with.
pub(crate) struct Parts {
    /// The cluster.
    pub(crate) cluster: ClusterName,
    /// What its servers are.
    pub(crate) software: Software,
    /// What is set up.
    pub(crate) settings: Settings,
    /// Where the keys are.
    pub(crate) store: Arc<dyn KeyStore>,
    /// What opens them.
    pub(crate) encryption: Arc<dyn KeyEncryption>,
    /// Which root tokens were made.
    pub(crate) record: RootRecord,
    /// The servers that can be asked. While another one leads, nothing is done.
    pub(crate) ways: BTreeMap<ServerName, Ways>,
    /// Vaultyard's own login.
    pub(crate) session: Arc<Session>,
    /// Who leads.
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    /// Says that a root token lives, for `status`.
    pub(crate) root_token: watch::Sender<Option<String>>,
}

/// The keeper of access to a cluster.
pub(crate) struct AccessKeeper {
    parts: Parts,
    /// What is set up, once the keys are there.
    access: Option<Access>,
    established: bool,
}

impl AccessKeeper {
    /// A keeper that has done nothing yet.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, access: None, established: false }
    }

    /// Sets up, or goes on setting up.
    async fn set_up(&mut self, now: Timestamp) -> Round {
        let leader = self.parts.observed.borrow().as_ref().and_then(Observed::leader).cloned();
        let Some(leader) = leader else {
            return waits("logins are set up as soon as a server leads", SOON);
        };
        let Some(ways) = self.parts.ways.get(&leader) else {
            return Round { did: None, waiting: None, next: ELSEWHERE };
        };
        if self.access.is_none() {
            let Parts { store, encryption, .. } = &self.parts;
            match stored::load(&self.parts.cluster, &**store, &**encryption).await {
                Ok(keys) => {
                    let record = self.parts.record.clone();
                    let settings = self.parts.settings.clone();
                    let access = Access::new(settings, Arc::new(keys), record, faults::hook());
                    self.access = Some(access);
                }
                Err(LoadError::NoKeys { .. }) => {
                    return waits("logins are set up as soon as the cluster is initialised", SOON);
                }
                Err(LoadError::Store { error, .. }) if error.is_retryable() => {
                    return waits(&error.to_string(), CALM);
                }
                Err(error) => {
                    let waiting = Waiting { reason: error.to_string(), stuck: true };
                    return Round { did: None, waiting: Some(waiting), next: CALM };
                }
            }
        }
        let Some(access) = self.access.as_mut() else { return waits("it begins anew", SOON) };
        let leader = Leader {
            vaultyard: &ways.vaultyard,
            administrator: &ways.administrator,
            socket: &ways.socket,
        };
        let round = access.round(leader, now).await;
        self.established = round.established.is_some();
        if let Some(Reason::Failed { step: Step::ProveLogins | Step::Sweep, .. }) = &round.held {
            // The root token was refused, and so were the logins: were these the right keys?
            self.access = None;
        }
        let reason = match (self.established, round.held) {
            (true, _) => None,
            (false, Some(reason)) => Some(reason.to_string()),
            (false, None) => Some("logins are being set up and proven".to_owned()),
        };
        Round {
            did: round.did.map(|step| step.name()),
            waiting: reason.map(|reason| Waiting { reason, stuck: false }),
            next: if self.established { Duration::ZERO } else { round.next },
        }
    }

    /// Whether a root token lives that was made from the shares.
    async fn look_for_root(&self) -> Result<Option<String>, String> {
        let tokens = self.parts.record.tokens().map_err(|error| error.to_string())?;
        if tokens.is_empty() {
            return Ok(None);
        }
        let client = self.parts.session.leader().await.map_err(|error| error.to_string())?;
        let living = self
            .parts
            .session
            .run(client, |token| async move { root_accessors(client.with_token(&token)).await })
            .await
            .map_err(|error| error.to_string())?;
        if living.is_empty() {
            self.parts.record.swept(&tokens).map_err(|error| error.to_string())?;
            return Ok(None);
        }
        let count = living.len();
        let (what, them) = if count == 1 {
            ("1 root token lives".to_owned(), "it")
        } else {
            (format!("{count} root tokens live"), "them")
        };
        Ok(Some(format!(
            "{what} that was made by generate-root (accessor {}); revoke {them} with \
             `{} token revoke -accessor ACCESSOR`",
            living.join(", "),
            self.parts.software.program()
        )))
    }
}

fn waits(reason: &str, next: Duration) -> Round {
    let waiting = Waiting { reason: reason.to_owned(), stuck: false };
    Round { did: None, waiting: Some(waiting), next }
}

#[async_trait]
impl Keeper for AccessKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        if !self.established {
            return self.set_up(now).await;
        }
        // While nobody can be asked, what was known before stands.
        if let Ok(found) = self.look_for_root().await {
            self.parts.root_token.send_if_modified(|known| {
                let changed = *known != found;
                *known = found;
                changed
            });
        }
        Round { did: None, waiting: None, next: CALM }
    }
}
