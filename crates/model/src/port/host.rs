//! What holds a server: its process and its disk.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::observed::{LastEnd, ProcessSeen};

/// The process and the data of one server. On one machine the supervisor's handle, on Kubernetes
/// the sidecar that shares the pod's processes and volume.
#[async_trait]
pub trait Host: Send + Sync {
    /// How its process is.
    fn process(&self) -> ProcessSeen;

    /// How its process last ended, unless that was wanted for its own sake: by itself, or because of
    /// how it lived. `None` also where nobody tells.
    fn last_end(&self) -> Option<LastEnd>;

    /// When the server's log last said that it won an election; `None` when it does not say so, or
    /// cannot be read.
    fn election_won(&self) -> Option<Timestamp>;

    /// Ends the process with this signal; it is started again at once. Returns when it has ended.
    ///
    /// # Errors
    /// A [`HostError`] that says why it could not be ended.
    async fn restart(&self, signal: Signal, why: &str) -> Result<(), HostError>;

    /// The same, but only for the process with this id. One that has ended already has another in
    /// its place, which is left alone.
    ///
    /// # Errors
    /// A [`HostError`] that says why it could not be ended.
    async fn restart_process(&self, pid: u32, signal: Signal, why: &str) -> Result<(), HostError>;

    /// Stops the server, removes its data (never the records of its volume, see
    /// [`Volume`](super::volume::Volume)) and starts it again. The caller has made sure that this
    /// is allowed.
    ///
    /// # Errors
    /// A [`HostError`]; the data may then be gone in part, and the call can be repeated.
    async fn wipe(&self, why: &str) -> Result<(), HostError>;

    /// Sends SIGHUP: certificates and the audit file are opened anew.
    ///
    /// # Errors
    /// A [`HostError`] when there is no process.
    async fn reload(&self) -> Result<(), HostError>;

    /// Room left on the disk that holds the data, in bytes.
    ///
    /// # Errors
    /// A [`HostError`] with the file system's error.
    fn free_bytes(&self) -> Result<u64, HostError>;
}

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: an active server hands leadership over. In-flight requests are cut.
    Terminate,
    /// SIGKILL: for a server that does not answer any more.
    Kill,
}

/// Why a host could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct HostError {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub why: String,
}
