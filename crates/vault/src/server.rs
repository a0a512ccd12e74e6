//! The calls that need no token.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde::{Deserialize, Serialize};
use vaultyard_model::observed::{Health, LeaderSeen, SealStatus, State};
use vaultyard_model::port::server::{CallError, InitialKeys, KeyKind, Server};
use vaultyard_model::{Secret, Version};

use crate::Client;
use crate::call::Call;
use crate::json::{Exposed, Hidden};

/// For questions that a living server answers from memory.
const QUICK: Duration = Duration::from_secs(2);
/// Initialising holds an election of one; up to 9 s were measured with slow raft timing.
const INITIALISE: Duration = Duration::from_secs(60);
/// A server that joins asks the leader once.
const JOIN: Duration = Duration::from_secs(10);
/// The last share of a server that joins waits for the join; 2 s were measured.
const UNSEAL: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct HealthBody {
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct SealBody {
    initialized: bool,
    sealed: bool,
    t: u8,
    n: u8,
    progress: u8,
}

impl From<SealBody> for SealStatus {
    fn from(body: SealBody) -> Self {
        Self {
            initialized: body.initialized,
            sealed: body.sealed,
            threshold: body.t,
            shares: body.n,
            progress: body.progress,
        }
    }
}

#[derive(Deserialize)]
struct LeaderBody {
    /// OpenBao 2.6 leaves it out where it does not hold.
    #[serde(default)]
    is_self: bool,
    #[serde(default)]
    leader_address: String,
    #[serde(default)]
    raft_committed_index: u64,
    #[serde(default)]
    raft_applied_index: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum InitialiseBody {
    Unseal { secret_shares: u8, secret_threshold: u8 },
    Recovery { recovery_shares: u8, recovery_threshold: u8 },
}

impl InitialiseBody {
    fn new(kind: KeyKind, shares: u8, threshold: u8) -> Self {
        match kind {
            KeyKind::Unseal => Self::Unseal { secret_shares: shares, secret_threshold: threshold },
            KeyKind::Recovery => {
                Self::Recovery { recovery_shares: shares, recovery_threshold: threshold }
            }
        }
    }
}

/// A server with a seal of its own answers with an empty list of the one, and with the other.
#[derive(Deserialize)]
struct InitialisedBody {
    keys_base64: Vec<Hidden>,
    #[serde(default)]
    recovery_keys_base64: Vec<Hidden>,
    root_token: Hidden,
}

#[derive(Serialize)]
struct JoinBody<'a> {
    leader_api_addr: &'a str,
    leader_ca_cert: &'a str,
}

#[derive(Deserialize)]
struct JoinedBody {
    joined: bool,
}

#[derive(Serialize)]
struct ShareBody<'a> {
    key: Exposed<'a>,
}

#[derive(Serialize)]
struct ResetBody {
    reset: bool,
}

/// The state that a status of `sys/health` stands for. 473 and 474 are Vault's standbys that
/// answer reads, and that cannot reach their leader.
fn state(status: u16) -> Option<State> {
    match status {
        200 => Some(State::Active),
        429 | 473 | 474 => Some(State::Standby),
        501 => Some(State::Uninitialised),
        503 => Some(State::Sealed),
        _ => None,
    }
}

#[async_trait]
impl Server for Client {
    async fn health(&self) -> Result<Health, CallError> {
        let answer = self.send(Call::get("sys/health").within(QUICK)).await?;
        let state = state(answer.status).ok_or_else(|| answer.refused())?;
        let body: HealthBody = answer.json()?;
        Ok(Health { state, version: Version::new(&body.version).ok() })
    }

    async fn seal_status(&self) -> Result<SealStatus, CallError> {
        let answer = self.ask(Call::get("sys/seal-status").within(QUICK)).await?;
        answer.json::<SealBody>().map(SealStatus::from)
    }

    async fn leader(&self) -> Result<LeaderSeen, CallError> {
        let answer = self.ask(Call::get("sys/leader").within(QUICK)).await?;
        let body: LeaderBody = answer.json()?;
        Ok(LeaderSeen {
            is_self: body.is_self,
            leader_address: body.leader_address,
            committed: body.raft_committed_index,
            applied: body.raft_applied_index,
        })
    }

    async fn initialise(
        &self,
        kind: KeyKind,
        shares: u8,
        threshold: u8,
    ) -> Result<InitialKeys, CallError> {
        let body = InitialiseBody::new(kind, shares, threshold);
        let call = Call::put("sys/init").within(INITIALISE).only_here().json(&body)?;
        let answer = self.send(call).await?;
        if answer.status != 200 {
            return Err(answer.refused());
        }
        let keys: InitialisedBody = answer.json()?;
        let given = match kind {
            KeyKind::Unseal => keys.keys_base64,
            KeyKind::Recovery => keys.recovery_keys_base64,
        };
        // Keys of the other kind would be kept as what they are not.
        if given.is_empty() {
            return Err(CallError::Malformed("it holds no shares of the kind".to_owned()));
        }
        Ok(InitialKeys {
            shares: given.into_iter().map(|share| share.0).collect(),
            root_token: keys.root_token.0,
        })
    }

    async fn join(&self, leader: &str, authority: &str) -> Result<(), CallError> {
        let body = JoinBody { leader_api_addr: leader, leader_ca_cert: authority };
        let call = Call::put("sys/storage/raft/join").within(JOIN).only_here().json(&body)?;
        let JoinedBody { joined } = self.ask(call).await?.json()?;
        let refused = || CallError::Malformed("it did not join".to_owned());
        if joined { Ok(()) } else { Err(refused()) }
    }

    async fn reset_unseal(&self) -> Result<SealStatus, CallError> {
        let call = Call::put("sys/unseal").only_here().json(&ResetBody { reset: true })?;
        self.ask(call).await?.json::<SealBody>().map(SealStatus::from)
    }

    async fn unseal(&self, share: &Secret) -> Result<SealStatus, CallError> {
        let body = ShareBody { key: Exposed(share) };
        let call = Call::new(Method::PUT, "sys/unseal").within(UNSEAL).only_here().json(&body)?;
        self.ask(call).await?.json::<SealBody>().map(SealStatus::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_health_is_a_state_or_an_error() {
        assert_eq!(state(200), Some(State::Active));
        assert_eq!(state(429), Some(State::Standby));
        assert_eq!(state(501), Some(State::Uninitialised));
        assert_eq!(state(503), Some(State::Sealed));
        for odd in [204, 307, 400, 500, 530] {
            assert_eq!(state(odd), None, "{odd}");
        }
    }
}
