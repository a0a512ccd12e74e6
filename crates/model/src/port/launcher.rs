//! What starts server processes, for a supervisor that decides when.
//!
//! A [`Host`](super::host::Host) holds one server for good; a launcher only makes the processes
//! that a host has one after another. It restarts nothing by itself.

use async_trait::async_trait;
use jiff::Timestamp;

use super::host::HostError;
use crate::ServerName;
use crate::observed::Exit;

/// Starts the servers of one cluster and looks after their folders.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts the server's process. Its folder, configuration and certificates must be in place.
    /// Returns when the process exists, which says nothing of whether it answers.
    ///
    /// # Errors
    /// [`HostError`] when nothing was started: a file is missing, the audit file cannot be
    /// written, the data belongs to another server, or the program cannot be executed.
    async fn launch(&self, server: &ServerName) -> Result<Box<dyn Running>, HostError>;

    /// Removes the server's raft data and nothing else: the records of its
    /// [`Volume`](super::volume::Volume) stay. The process must have ended.
    ///
    /// # Errors
    /// [`HostError`]; the data may then be gone in part, and the call can be repeated.
    async fn remove_data(&self, server: &ServerName) -> Result<(), HostError>;

    /// Room left on the disk that holds the server's data, in bytes.
    ///
    /// # Errors
    /// [`HostError`] with the file system's error.
    fn free_bytes(&self, server: &ServerName) -> Result<u64, HostError>;

    /// When the server's log last said that it won an election; `None` when it does not say so.
    fn election_won(&self, server: &ServerName) -> Option<Timestamp>;

    /// Sets the server's audit file aside when it has grown past the limit, and has the server
    /// open a new one. Says whether it did.
    ///
    /// # Errors
    /// [`HostError`]; the server then goes on writing to the file it has.
    async fn rotate_audit(
        &self,
        server: &ServerName,
        running: &dyn Running,
    ) -> Result<bool, HostError>;
}

/// One process that was started. Dropping it kills the process: nothing runs that nobody watches.
#[async_trait]
pub trait Running: Send + Sync {
    /// Its process id.
    fn pid(&self) -> u32;

    /// When it was started.
    fn since(&self) -> Timestamp;

    /// Returns when the process has ended and says how. May be awaited by several, at the same
    /// time or one after another; all get the same answer.
    async fn wait(&self) -> Exit;

    /// Sends a signal; nothing is sent once the process has ended, so that a process id that was
    /// given to somebody else is never hit.
    ///
    /// # Errors
    /// [`HostError`] when the process has ended or the kernel refuses.
    fn signal(&self, signal: SignalKind) -> Result<(), HostError>;
}

/// The signals that Vaultyard sends to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalKind {
    /// SIGTERM: hand leadership over and end.
    Terminate,
    /// SIGKILL: end now.
    Kill,
    /// SIGHUP: open certificates and the audit file anew.
    Hangup,
}
