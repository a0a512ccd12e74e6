//! Vaultyard's own login: short-lived tokens, made when they are needed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select_ok;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use vaultyard_model::access::{ADVANCE_PATH, Identity, OWN_MOUNT, PROBE_PATH};
use vaultyard_model::observed::{Health, Peer, State};
use vaultyard_model::port::server::{CallError, Operator, Server};
use vaultyard_model::{Secret, ServerName};

use crate::authorised::raft::MemberSeen;
use crate::{Client, Login};

/// A leader that has not answered a read by then hangs; reads take milliseconds.
const PROBE: Duration = Duration::from_millis(1_500);
/// A login writes a token, so it may have to wait for the disk.
const LOGIN: Duration = Duration::from_secs(5);

/// How old a token must be before a 403 is taken for its end. A younger one is refused for want of
/// rights, and the next would be too: every login writes a token into the server.
const YOUNG: Duration = Duration::from_secs(10);
/// How long the leader of the last time is asked alone. One that lives answers within milliseconds.
const ALONE: Duration = Duration::from_millis(250);

/// A login that is renewed by logging in again, at whichever server can.
pub struct Session {
    clients: BTreeMap<ServerName, Arc<Client>>,
    identity: Identity,
    held: Mutex<Option<Held>>,
    led_last: std::sync::Mutex<Option<ServerName>>,
}

struct Held {
    token: Arc<Secret>,
    since: Instant,
    until: Instant,
}

impl Session {
    /// A session for `identity`, whose certificate the clients show.
    pub fn new(clients: BTreeMap<ServerName, Arc<Client>>, identity: Identity) -> Self {
        Self { clients, identity, held: Mutex::default(), led_last: std::sync::Mutex::default() }
    }

    /// The client of the server that leads: the one whose health says so. The one that led the last
    /// time is asked first; when it does not lead any more, or is silent, all are asked at the same
    /// time, so that one that hangs keeps nobody waiting.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] while no server says that it is active.
    pub async fn leader(&self) -> Result<&Arc<Client>, CallError> {
        let last = self.led_last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(client) = last.and_then(|name| self.clients.get(&name))
            && let Ok(Ok(Health { state: State::Active, .. })) =
                timeout(ALONE, client.health()).await
        {
            return Ok(client);
        }
        let (name, client) = self.ask_all_who_leads().await?;
        *self.led_last.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.clone());
        Ok(client)
    }

    async fn ask_all_who_leads(&self) -> Result<(&ServerName, &Arc<Client>), CallError> {
        let nobody = || CallError::Unreachable("no server is active".to_owned());
        let asked = self.clients.iter().map(|(name, client)| {
            Box::pin(async move {
                match client.health().await?.state {
                    State::Active => Ok((name, client)),
                    _ => Err(nobody()),
                }
            })
        });
        let asked: Vec<_> = asked.collect();
        if asked.is_empty() {
            return Err(CallError::Unreachable("there are no servers".to_owned()));
        }
        select_ok(asked).await.map(|(leader, _)| leader).map_err(|_| nobody())
    }

    /// Runs a call with the session's token at `client`; logs in first when there is none, and
    /// once more when the token is not accepted any more.
    ///
    /// # Errors
    /// [`CallError`] of the login or of the call; a 403 of a token that is fresh from its login.
    pub async fn run<T, F>(
        &self,
        client: &Client,
        call: impl Fn(Arc<Secret>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let token = self.token(client, LOGIN).await?;
        match call(Arc::clone(&token)).await {
            Err(refusal @ CallError::Refused { status: 403, .. }) => {
                if !self.give_up(&token).await {
                    return Err(refusal);
                }
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
        let (token, since) = (Arc::new(token), Instant::now());
        // Half of its life: enough of the rest for every call that has begun.
        *held = Some(Held { token: Arc::clone(&token), since, until: since + lease / 2 });
        Ok(token)
    }

    /// Gives up a token that a server has refused; whether another one may be accepted.
    async fn give_up(&self, refused: &Arc<Secret>) -> bool {
        let mut held = self.held.lock().await;
        match held.as_ref().filter(|held| Arc::ptr_eq(&held.token, refused)) {
            Some(held) if held.since.elapsed() < YOUNG => return false,
            Some(_) => *held = None,
            // Somebody else has given it up.
            None => {}
        }
        true
    }

    fn client(&self, server: &ServerName) -> Result<&Arc<Client>, CallError> {
        let unknown = || CallError::Unreachable(format!("{server} is not of this cluster"));
        self.clients.get(server).ok_or_else(unknown)
    }

    async fn members(&self) -> Result<Vec<MemberSeen>, CallError> {
        let client = self.leader().await?;
        self.run(client, |token| async move { client.with_token(&token).raft_members().await })
            .await
    }
}

#[async_trait]
impl Operator for Session {
    async fn peers(&self) -> Result<Vec<Peer>, CallError> {
        let name = |id: &str| self.clients.keys().find(|name| name.as_str() == id).cloned();
        // A member that is not of this cluster has no name here; it is nobody's peer.
        let peer = |server, voter, leader| Peer { server, voter, leader };
        let members = self.members().await?.into_iter();
        Ok(members
            .filter_map(|seen| Some(peer(name(&seen.node_id)?, seen.voter, seen.leader)))
            .collect())
    }

    async fn voters(&self) -> Result<usize, CallError> {
        Ok(self.members().await?.iter().filter(|member| member.voter).count())
    }

    async fn probe(&self, leader: &ServerName) -> Result<(), CallError> {
        let client = self.client(leader)?;
        let read = async {
            let token = self.token(client, PROBE).await?;
            let read = client.with_token(&token).probe_kv(OWN_MOUNT, PROBE_PATH, PROBE).await;
            if let Err(CallError::Refused { status: 403, .. }) = &read {
                // The next probe logs in again, when that may help.
                self.give_up(&token).await;
            }
            read
        };
        // The login counts too: a leader that cannot give a token within this time hangs.
        let late = || CallError::NoAnswer(format!("nothing within {} ms", PROBE.as_millis()));
        timeout(PROBE, read).await.unwrap_or_else(|_| Err(late()))
    }

    async fn advance(&self) -> Result<(), CallError> {
        let client = self.leader().await?;
        let nothing = BTreeMap::new();
        self.run(client, |token| {
            let nothing = &nothing;
            async move { client.with_token(&token).write_kv(OWN_MOUNT, ADVANCE_PATH, nothing).await }
        })
        .await
    }

    async fn read_own(&self, path: &str) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let client = self.leader().await?;
        self.run(
            client,
            |token| async move { client.with_token(&token).read_kv(OWN_MOUNT, path).await },
        )
        .await
    }

    async fn remove_peer(&self, server: &ServerName) -> Result<(), CallError> {
        let client = self.leader().await?;
        self.run(client, |token| async move {
            client.with_token(&token).remove_peer(server.as_str()).await
        })
        .await
    }
}

#[cfg(test)]
mod tests;
