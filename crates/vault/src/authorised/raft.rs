//! Raft: who is a member, and how autopilot treats members.

use serde::{Deserialize, Serialize};
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

/// A member of the raft configuration, as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct MemberSeen {
    pub(crate) node_id: String,
    pub(crate) voter: bool,
    pub(crate) leader: bool,
}

#[derive(Deserialize)]
struct ConfigurationBody {
    config: Members,
}

#[derive(Deserialize)]
struct Members {
    servers: Vec<MemberSeen>,
}

#[derive(Serialize)]
struct RemoveBody<'a> {
    server_id: &'a str,
}

#[derive(Serialize)]
struct AutopilotBody<'a> {
    server_stabilization_time: &'a str,
}

impl Authorised<'_> {
    pub(crate) async fn raft_members(&self) -> Result<Vec<MemberSeen>, CallError> {
        let answer = self.ask(Call::get("sys/storage/raft/configuration")).await?;
        answer.data::<ConfigurationBody>().map(|body| body.config.servers)
    }

    /// Whether the raft configuration can be read with this token.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_raft(&self) -> Result<(), CallError> {
        self.raft_members().await.map(drop)
    }

    /// Takes a server out of the raft configuration; nothing happens when it is not in it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remove_peer(&self, server_id: &str) -> Result<(), CallError> {
        let call = Call::put("sys/storage/raft/remove-peer").json(&RemoveBody { server_id })?;
        self.ask(call).await.map(drop)
    }

    /// How long a joined server must be healthy before it becomes a voter, as in `1s`. The other
    /// settings of autopilot keep their values.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_stabilization_time(&self, time: &str) -> Result<(), CallError> {
        let body = AutopilotBody { server_stabilization_time: time };
        let call = Call::put("sys/storage/raft/autopilot/configuration").json(&body)?;
        self.ask(call).await.map(drop)
    }
}
