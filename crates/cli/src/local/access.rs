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
use vaultyard_model::ServerName;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_vault::{Client, Session};

use super::keys::Custody;
use super::{faults, identities};
use crate::local::prepare::Prepared;

/// Between two looks, which cost next to nothing, while somebody else has to do something first.
const SOON: Duration = Duration::from_millis(5);
/// Between two looks whether a root token lives.
const CALM: Duration = Duration::from_secs(2);
/// A server that joined becomes a voter this soon, instead of after ten seconds.
const STABILIZATION_TIME: &str = "1s";

/// One server, asked in every way that setting up access needs.
struct Ways {
    vaultyard: Arc<Client>,
    administrator: Arc<Client>,
    socket: Client,
}

/// The keeper of access to a local cluster.
pub(crate) struct AccessKeeper {
    cluster: vaultyard_model::ClusterName,
    settings: Settings,
    custody: Custody,
    record: RootRecord,
    ways: BTreeMap<ServerName, Ways>,
    session: Arc<Session>,
    observed: watch::Receiver<Option<Observed>>,
    /// What is set up, once the keys are there.
    access: Option<Access>,
    established: bool,
    /// Says that a root token lives, for `status`.
    root_token: watch::Sender<Option<String>>,
}

impl AccessKeeper {
    /// A keeper that has done nothing yet.
    pub(crate) fn new(
        prepared: &Prepared,
        custody: &Custody,
        clients: &BTreeMap<ServerName, Arc<Client>>,
        session: Arc<Session>,
        observed: watch::Receiver<Option<Observed>>,
        root_token: watch::Sender<Option<String>>,
    ) -> Result<Self, crate::failure::Failure> {
        let paths = prepared.state.paths();
        let tls = identities::tls(prepared.authority.root_pem(), &prepared.administrator)?;
        let mut administrators = identities::clients(&prepared.layout, &tls);
        let ways = |(name, vaultyard): (&ServerName, &Arc<Client>)| {
            let ways = Ways {
                vaultyard: vaultyard.clone(),
                administrator: administrators.remove(name)?,
                socket: Client::unix(paths.server(name).admin_socket()),
            };
            Some((name.clone(), ways))
        };
        Ok(Self {
            cluster: prepared.document.cluster.name.clone(),
            settings: Settings {
                client_authorities: prepared.authority.clients_pem().to_owned(),
                secret_mount: prepared.document.built_in,
                stabilization_time: STABILIZATION_TIME.to_owned(),
            },
            custody: custody.clone(),
            record: RootRecord::new(paths.root_tokens()),
            ways: clients.iter().filter_map(ways).collect(),
            session,
            observed,
            access: None,
            established: false,
            root_token,
        })
    }

    /// Sets up, or goes on setting up.
    async fn set_up(&mut self, now: Timestamp) -> Round {
        let leader = self.observed.borrow().as_ref().and_then(Observed::leader).cloned();
        let Some(ways) = leader.and_then(|leader| self.ways.get(&leader)) else {
            return waits("logins are set up as soon as a server leads", SOON);
        };
        if self.access.is_none() {
            let Custody { store, encryption, .. } = &self.custody;
            match stored::load(&self.cluster, &**store, &**encryption).await {
                Ok(keys) => {
                    let record = self.record.clone();
                    let settings = self.settings.clone();
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
        let tokens = self.record.tokens().map_err(|error| error.to_string())?;
        if tokens.is_empty() {
            return Ok(None);
        }
        let client = self.session.leader().await.map_err(|error| error.to_string())?;
        let living = self
            .session
            .run(client, |token| async move { root_accessors(client.with_token(&token)).await })
            .await
            .map_err(|error| error.to_string())?;
        if living.is_empty() {
            self.record.swept(&tokens).map_err(|error| error.to_string())?;
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
             `bao token revoke -accessor ACCESSOR`",
            living.join(", ")
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
            self.root_token.send_if_modified(|known| {
                let changed = *known != found;
                *known = found;
                changed
            });
        }
        Round { did: None, waiting: None, next: CALM }
    }
}
