//! Asks a running `up`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::wire;
use crate::converse;

/// A question takes microseconds; a program that does not answer in this time hangs.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a running `up` could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody is there.
    #[error("no `vaultyard up` is running on {}", .0.display())]
    NotRunning(PathBuf),
    /// It is there, and has nothing to say yet.
    #[error("`vaultyard up` has only begun on {}", .0.display())]
    TooEarly(PathBuf),
    /// It did not answer as it should.
    #[error("`vaultyard up` on {} does not answer: {why}", state.display())]
    Silent {
        /// The state directory.
        state: PathBuf,
        /// What happened.
        why: String,
    },
}

/// The control socket of one state directory.
pub(crate) struct Control {
    state: PathBuf,
    socket: PathBuf,
    /// Only this process is asked; anybody else is as good as nobody.
    only: Option<u32>,
}

impl Control {
    /// The socket of this state directory; nothing is opened yet.
    pub(crate) fn new(state: &Path, socket: &Path) -> Self {
        Self { state: state.to_owned(), socket: socket.to_owned(), only: None }
    }

    /// The same, but only where this process answers.
    pub(crate) fn of(self, process: u32) -> Self {
        Self { only: Some(process), ..self }
    }

    /// How the cluster is.
    pub(crate) async fn status(&self) -> Result<wire::Status, AskError> {
        self.read("/v1/status").await
    }

    /// The names that the DNS server answers for.
    pub(crate) async fn records(&self) -> Result<Vec<wire::Record>, AskError> {
        self.read("/v1/dns").await
    }

    /// Asks it to stop the servers in order and end.
    pub(crate) async fn stop(&self) -> Result<(), AskError> {
        self.ask(Method::POST, "/v1/down").await.map(drop)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let bytes = self.ask(Method::GET, path).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.silent(&error))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Bytes, AskError> {
        tokio::time::timeout(DEADLINE, self.ask_unbounded(method, path))
            .await
            .unwrap_or_else(|_| Err(self.silent(&format!("no answer within {DEADLINE:?}"))))
    }

    async fn ask_unbounded(&self, method: Method, path: &str) -> Result<Bytes, AskError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|_| AskError::NotRunning(self.state.clone()))?;
        let answers = stream.peer_cred().ok().and_then(|peer| peer.pid());
        let wanted = self.only.and_then(|pid| i32::try_from(pid).ok());
        if wanted.is_some() && answers != wanted {
            return Err(AskError::NotRunning(self.state.clone()));
        }
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "vaultyard")
            .body(Empty::<Bytes>::new())
            .map_err(|error| self.silent(&error))?;
        let answered = converse::ask(stream, request).await;
        match answered.map_err(|error| self.silent(&error))? {
            (status, bytes) if status.is_success() => Ok(bytes),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Err(AskError::TooEarly(self.state.clone())),
            (status, _) => Err(self.silent(&status)),
        }
    }

    fn silent(&self, why: &impl ToString) -> AskError {
        AskError::Silent { state: self.state.clone(), why: why.to_string() }
    }
}
