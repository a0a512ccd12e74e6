//! Vaultyard's own login: short-lived tokens, made when they are needed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select_ok;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use vaultyard_model::access::{Identity, OWN_MOUNT, PROBE_PATH};
use vaultyard_model::observed::{Peer, State};
use vaultyard_model::port::server::{CallError, Operator, Server};
use vaultyard_model::{Secret, ServerName};

use crate::{Client, Login};

/// A leader that has not answered a read by then hangs; reads take milliseconds.
const PROBE: Duration = Duration::from_millis(1_500);
/// A login writes a token, so it may have to wait for the disk.
const LOGIN: Duration = Duration::from_secs(5);

/// A login that is renewed by logging in again, at whichever server can.
pub struct Session {
    clients: BTreeMap<ServerName, Arc<Client>>,
    identity: Identity,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Arc<Secret>,
    until: Instant,
}

impl Session {
    /// A session for `identity`, whose certificate the clients show.
    pub fn new(clients: BTreeMap<ServerName, Arc<Client>>, identity: Identity) -> Self {
        Self { clients, identity, held: Mutex::new(None) }
    }

    /// The client of the server that leads: the one whose health says so. All are asked at the
    /// same time, so that one that hangs keeps nobody waiting.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] while no server says that it is active.
    pub async fn leader(&self) -> Result<&Arc<Client>, CallError> {
        let asked = self.clients.values().map(|client| {
            let leads = async move {
                match client.health().await {
                    Ok(health) if health.state == State::Active => Ok(client),
                    Ok(_) => Err(CallError::Unreachable("no server is active".to_owned())),
                    Err(error) => Err(error),
                }
            };
            Box::pin(leads)
        });
        let asked: Vec<_> = asked.collect();
        if asked.is_empty() {
            return Err(CallError::Unreachable("there are no servers".to_owned()));
        }
        match select_ok(asked).await {
            Ok((client, _)) => Ok(client),
            Err(_) => Err(CallError::Unreachable("no server is active".to_owned())),
        }
    }

    /// Runs a call with the session's token at `client`; logs in first when there is none, and
    /// once more when the token is not accepted any more.
    ///
    /// # Errors
    /// [`CallError`] of the login or of the call.
    pub async fn run<T, F>(
        &self,
        client: &Client,
        call: impl Fn(Arc<Secret>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let token = self.token(client, LOGIN).await?;
        match call(token).await {
            Err(CallError::Refused { status: 403, .. }) => {
                self.forget().await;
                call(self.token(client, LOGIN).await?).await
            }
            other => other,
        }
    }

    async fn token(&self, client: &Client, deadline: Duration) -> Result<Arc<Secret>, CallError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok(Arc::clone(&held.token));
        }
        let Login { token, lease, .. } = client.log_in(self.identity.as_str(), deadline).await?;
        let token = Arc::new(token);
        // Half of its life: enough of the rest for every call that has begun.
        *held = Some(Held { token: Arc::clone(&token), until: Instant::now() + lease / 2 });
        Ok(token)
    }

    async fn forget(&self) {
        *self.held.lock().await = None;
    }

    fn client(&self, server: &ServerName) -> Result<&Arc<Client>, CallError> {
        let unknown = || CallError::Unreachable(format!("{server} is not of this cluster"));
        self.clients.get(server).ok_or_else(unknown)
    }

    /// Whether the token with this accessor is still valid.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn token_lives(&self, accessor: &str) -> Result<bool, CallError> {
        let client = self.leader().await?;
        self.run(client, |token| async move {
            Ok(client.with_token(&token).look_up_accessor(accessor).await?.is_some())
        })
        .await
    }
}

#[async_trait]
impl Operator for Session {
    async fn peers(&self) -> Result<Vec<Peer>, CallError> {
        let client = self.leader().await?;
        let members = self
            .run(client, |token| async move { client.with_token(&token).raft_members().await })
            .await?;
        let name = |id: &str| self.clients.keys().find(|name| name.as_str() == id).cloned();
        // A member that is not of this cluster has no name here; it is nobody's peer.
        let peer = |server, voter, leader| Peer { server, voter, leader };
        Ok(members
            .into_iter()
            .filter_map(|seen| Some(peer(name(&seen.node_id)?, seen.voter, seen.leader)))
            .collect())
    }

    async fn probe(&self, leader: &ServerName) -> Result<(), CallError> {
        let client = self.client(leader)?;
        let read = async {
            let token = self.token(client, PROBE).await?;
            client.with_token(&token).probe_kv(OWN_MOUNT, PROBE_PATH, PROBE).await
        };
        // The login counts too: a leader that cannot give a token within this time hangs.
        let late = || CallError::NoAnswer(format!("nothing within {} ms", PROBE.as_millis()));
        let result = timeout(PROBE, read).await.unwrap_or_else(|_| Err(late()));
        if let Err(CallError::Refused { status: 403, .. }) = &result {
            // The next probe logs in again.
            self.forget().await;
        }
        result
    }

    async fn remove_peer(&self, server: &ServerName) -> Result<(), CallError> {
        let client = self.leader().await?;
        self.run(client, |token| async move {
            client.with_token(&token).remove_peer(server.as_str()).await
        })
        .await
    }
}
