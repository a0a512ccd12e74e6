//! The API of one server, as far as it needs no token, and what a login adds.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::observed::{Health, LeaderSeen, Peer, SealStatus};
use crate::{Secret, ServerName};

/// Why a call did not bring what was asked for. What matters is what is known of its effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection, or no TLS: nothing was sent.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Sent, and no whole answer came: it may or may not have been done.
    #[error("did not answer: {0}")]
    NoAnswer(String),
    /// Answered with an error.
    #[error("answered {status}: {}", errors.join("; "))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `errors` of the body.
        errors: Vec<String>,
    },
    /// Answered with something that is not understood.
    #[error("gave an answer that is not understood: {0}")]
    Malformed(String),
}

/// What the shares of a cluster are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// They unseal a server.
    Unseal,
    /// They unseal nothing: the servers' own seal does. They bring root tokens.
    Recovery,
}

/// What `PUT sys/init` gives, once.
pub struct InitialKeys {
    /// The shares, base64, in order.
    pub shares: Vec<Secret>,
    /// The first root token.
    pub root_token: Secret,
}

/// One server, asked without a token.
#[async_trait]
pub trait Server: Send + Sync {
    /// `GET sys/health`.
    ///
    /// # Errors
    /// [`CallError`].
    async fn health(&self) -> Result<Health, CallError>;

    /// `GET sys/seal-status`.
    ///
    /// # Errors
    /// [`CallError`].
    async fn seal_status(&self) -> Result<SealStatus, CallError>;

    /// `GET sys/leader`.
    ///
    /// # Errors
    /// [`CallError`]; 503 while sealed.
    async fn leader(&self) -> Result<LeaderSeen, CallError>;

    /// `PUT sys/init`. Anything but `Ok` leaves the outcome unknown, whatever the status says. `kind`
    /// follows from the server's configuration; it refuses the other one.
    ///
    /// # Errors
    /// [`CallError`].
    async fn initialise(
        &self,
        kind: KeyKind,
        shares: u8,
        threshold: u8,
    ) -> Result<InitialKeys, CallError>;

    /// Has a server without data ask this leader, by the URL of its API, to take it in; the leader is
    /// believed by its certificate from this authority (PEM). It takes part once it is unsealed.
    ///
    /// # Errors
    /// [`CallError`]; also when the leader did not answer it.
    async fn join(&self, leader: &str, authority: &str) -> Result<(), CallError>;

    /// Forgets shares that somebody has begun to give.
    ///
    /// # Errors
    /// [`CallError`].
    async fn reset_unseal(&self) -> Result<SealStatus, CallError>;

    /// Gives one share.
    ///
    /// # Errors
    /// [`CallError`]; 400 on the last share when one of them was wrong.
    async fn unseal(&self, share: &Secret) -> Result<SealStatus, CallError>;
}

/// The cluster, asked and told with Vaultyard's own login.
#[async_trait]
pub trait Operator: Send + Sync {
    /// The raft configuration, from the leader.
    ///
    /// # Errors
    /// [`CallError`].
    async fn peers(&self) -> Result<Vec<Peer>, CallError>;

    /// How many voters there are in the raft configuration, also those that are no server of this
    /// cluster and so no [`Peer`]: what a majority is counted from.
    ///
    /// # Errors
    /// [`CallError`].
    async fn voters(&self) -> Result<usize, CallError> {
        Ok(self.peers().await?.iter().filter(|peer| peer.voter).count())
    }

    /// Reads the probe secret at the server that is believed to lead. `NoAnswer` is what a wedged
    /// server gives; every answer means that it lives.
    ///
    /// # Errors
    /// [`CallError`].
    async fn probe(&self, leader: &ServerName) -> Result<(), CallError>;

    /// Has the leader commit something of no meaning, so that it shows whom it reaches.
    ///
    /// # Errors
    /// [`CallError`].
    async fn advance(&self) -> Result<(), CallError>;

    /// The secret at this path of Vaultyard's own mount, as the leader has it, if there is one.
    ///
    /// # Errors
    /// [`CallError`].
    async fn read_own(&self, path: &str) -> Result<Option<BTreeMap<String, String>>, CallError>;

    /// Takes a server out of the raft configuration.
    ///
    /// # Errors
    /// [`CallError`].
    async fn remove_peer(&self, server: &ServerName) -> Result<(), CallError>;
}
