//! Asks a running `up`.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::wire;
use crate::converse;
use crate::failure::{Failure, failed};

/// A question takes microseconds; a program that does not answer in this time hangs.
const DEADLINE: Duration = Duration::from_secs(5);
/// For a document the server's program is asked which version it is, on a busy machine for long.
const PROGRAM_ASKED: Duration = Duration::from_secs(60);

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

/// Why a document is not followed, as far as is known.
pub(crate) enum NotChanged {
    /// It was refused; nothing was changed.
    Refused(Failure),
    /// No answer came: it may be followed or not.
    Unknown(AskError),
}

impl From<AskError> for NotChanged {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Silent { .. } => Self::Unknown(error),
            AskError::NotRunning(_) | AskError::TooEarly(_) => Self::Refused(failed(error)),
        }
    }
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

    /// How requests were held, and how long at most in the last `within`.
    pub(crate) async fn waits(&self, within: Duration) -> Result<wire::Waits, AskError> {
        self.read(&format!("{}?{}", wire::WAITS, within.as_millis())).await
    }

    /// Asks it to stop the servers in order and end.
    pub(crate) async fn stop(&self) -> Result<(), AskError> {
        let asked = self.ask(Method::POST, "/v1/down", Bytes::new());
        self.success(self.within(DEADLINE, asked).await?).map(drop)
    }

    /// Has it follow this document, with a snapshot before another version or without; the servers that are
    /// replaced for it.
    pub(crate) async fn change(
        &self,
        document: &str,
        snapshot: bool,
    ) -> Result<wire::ChangedServers, NotChanged> {
        let body = Bytes::copy_from_slice(document.as_bytes());
        let place = match snapshot {
            true => wire::CHANGE.to_owned(),
            false => format!("{}?{}", wire::CHANGE, wire::WITHOUT_SNAPSHOT),
        };
        let asked = self.ask(Method::POST, &place, body);
        match self.within(PROGRAM_ASKED, asked).await? {
            (StatusCode::UNPROCESSABLE_ENTITY, refusal) => {
                let refusal: wire::Refusal = self.parse(&refusal)?;
                Err(NotChanged::Refused(refusal.into()))
            }
            answered => Ok(self.parse(&self.success(answered)?)?),
        }
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        let asked = self.ask(Method::GET, path, Bytes::new());
        let answered = self.within(DEADLINE, asked).await?;
        self.parse(&self.success(answered)?)
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &Bytes) -> Result<T, AskError> {
        serde_json::from_slice(bytes).map_err(|error| self.silent(&error))
    }

    /// The answer, if it is one.
    fn success(&self, (status, bytes): (StatusCode, Bytes)) -> Result<Bytes, AskError> {
        match status {
            status if status.is_success() => Ok(bytes),
            StatusCode::SERVICE_UNAVAILABLE => Err(AskError::TooEarly(self.state.clone())),
            status => Err(self.silent(&status)),
        }
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        asked: impl Future<Output = Result<T, AskError>>,
    ) -> Result<T, AskError> {
        let late = |_| Err(self.silent(&format!("no answer within {deadline:?}")));
        tokio::time::timeout(deadline, asked).await.unwrap_or_else(late)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), AskError> {
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
            .body(Full::new(body))
            .map_err(|error| self.silent(&error))?;
        converse::ask(stream, request).await.map_err(|error| self.silent(&error))
    }

    fn silent(&self, why: &impl ToString) -> AskError {
        AskError::Silent { state: self.state.clone(), why: why.to_string() }
    }
}
