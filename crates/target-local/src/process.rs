//! One server process: started, signalled, waited for.

mod die_with_parent;
pub mod identity;
pub mod leftover;
pub mod log;
pub mod spawner;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use async_trait::async_trait;
use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OnceCell};
use vaultyard_durable as durable;
use vaultyard_durable::growing::{self, Limit};
use vaultyard_model::ServerName;
use vaultyard_model::observed::Exit;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::launcher::{Running, SignalKind};

use crate::files;
use crate::state::paths::ServerFolder;
use identity::Identity;
use log::{LastWords, last_words};
use spawner::Spawner;

/// A log that is longer than this when a server starts is set aside.
const LOG: Limit = Limit { bytes: 16 << 20, keep: 3 };
/// How much of the log's end is read for the reason of an end.
const LOG_TAIL: u64 = 64 << 10;

/// How much of the log's end is read for the last election.
const ELECTION_TAIL: u64 = 4 << 20;

/// When the server's log last says that it won an election; `None` when its end does not say so.
pub fn election_won(folder: &ServerFolder) -> Option<Timestamp> {
    let log = files::tail(&folder.log(), 0, ELECTION_TAIL).ok()?;
    log::election_won(&log)
}

/// A server that was started. It is killed when this is dropped, and by the kernel when this
/// program ends, however it does.
#[derive(Debug)]
pub struct Process {
    server: ServerName,
    folder: ServerFolder,
    pid: u32,
    since: Timestamp,
    /// Holds on to this very process: a signal through it reaches no other.
    handle: OwnedFd,
    /// Where in the log this process began.
    log_from: u64,
    child: Mutex<Child>,
    exit: OnceCell<Exit>,
    /// Keeps the spawning thread alive, and with it the process.
    _spawner: Spawner,
}

/// Why a server was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its log cannot be written.
    #[error("cannot write the log {}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The program cannot be executed.
    #[error("cannot execute {}", program.display())]
    Execute {
        /// The program.
        program: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It was started, but cannot be watched; it was killed again.
    #[error("cannot watch process {pid}")]
    Watch {
        /// Its process id.
        pid: u32,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What a server is started with, in its own folder.
const ARGUMENTS: [&str; 2] = ["server", "-config=server.json"];

impl Process {
    /// Starts `program` with the configuration in the folder: working directory there, no environment but
    /// what the spawner gives (a server prints the names of what it finds in it), output to its log.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(
        spawner: &Spawner,
        program: &Path,
        server: &ServerName,
        folder: &ServerFolder,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let log_error = |source| StartError::Log { path: folder.log(), source };
        let (log, log_from) = open_log(&folder.log()).map_err(log_error)?;
        let for_errors = log.try_clone().map_err(log_error)?;
        let mut command = Command::new(program);
        command
            .args(ARGUMENTS)
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(for_errors);
        let child = spawner
            .spawn(command)
            .await
            .map_err(|source| StartError::Execute { program: program.to_owned(), source })?;
        let pid = child.id().unwrap_or_default();
        let handle = watch(pid).map_err(|source| StartError::Watch { pid, source })?;
        record(pid, folder);
        Ok(Self {
            server: server.clone(),
            folder: folder.clone(),
            pid,
            since: now,
            handle,
            log_from,
            child: Mutex::new(child),
            exit: OnceCell::new(),
            _spawner: spawner.clone(),
        })
    }

    async fn wait_and_explain(&self) -> Exit {
        let status = self.child.lock().await.wait().await;
        // A record that stays names a process that has ended, which is found out.
        let _ = durable::remove(&self.folder.process());
        match status {
            Ok(status) => explain(status, &self.last_words()),
            Err(error) => Exit {
                code: None,
                signal: None,
                reason: Some(format!("how it ended could not be seen: {error}")),
                no_space: false,
            },
        }
    }

    fn last_words(&self) -> LastWords {
        files::tail(&self.folder.log(), self.log_from, LOG_TAIL)
            .map(|log| last_words(&log))
            .unwrap_or_default()
    }
}

/// A server that ended well has nothing to explain; one that was killed did not choose to end, so
/// what it said last is not why.
fn explain(status: ExitStatus, words: &LastWords) -> Exit {
    let failed = !status.success();
    Exit {
        code: status.code(),
        signal: status.signal(),
        reason: words.reason.clone().filter(|_| failed && status.signal().is_none()),
        no_space: failed && words.no_space,
    }
}

/// Opens the log to append, a long one set aside before, and says where it begins.
fn open_log(path: &Path) -> io::Result<(File, u64)> {
    growing::set_aside(path, LOG)?;
    let log = OpenOptions::new().append(true).create(true).mode(durable::PRIVATE).open(path)?;
    let length = log.metadata()?.len();
    Ok((log, length))
}

/// Takes hold of a child that nobody has waited for yet.
fn watch(pid: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(raw, PidfdFlags::empty())?)
}

/// Writes down which process it is. A full disk is no reason not to start a server: the record
/// matters only when the kernel fails to end the server with this program.
fn record(pid: u32, folder: &ServerFolder) {
    // A process that has ended already has no identity, and needs none.
    let Ok(identity) = Identity::of(pid) else { return };
    let written = serde_json::to_vec(&identity)
        .map_err(io::Error::from)
        .and_then(|record| durable::replace(&folder.process(), &record, durable::PRIVATE));
    if let Err(error) = written {
        tracing::warn!(%error, path = %folder.process().display(), "cannot write");
    }
}

#[async_trait]
impl Running for Process {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn since(&self) -> Timestamp {
        self.since
    }

    async fn wait(&self) -> Exit {
        self.exit.get_or_init(|| self.wait_and_explain()).await.clone()
    }

    fn signal(&self, signal: SignalKind) -> Result<(), HostError> {
        let (name, number) = match signal {
            SignalKind::Terminate => ("SIGTERM", Signal::TERM),
            SignalKind::Kill => ("SIGKILL", Signal::KILL),
            SignalKind::Hangup => ("SIGHUP", Signal::HUP),
        };
        pidfd_send_signal(&self.handle, number).map_err(|error| HostError {
            what: format!("send {name} to {} (process {})", self.server, self.pid),
            why: match error {
                rustix::io::Errno::SRCH => "it has ended".to_owned(),
                other => other.to_string(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> LastWords {
        LastWords { reason: Some("panic: no space left on device".to_owned()), no_space: true }
    }

    #[test]
    fn a_server_that_ended_well_explains_nothing() {
        let exit = explain(ExitStatus::from_raw(0), &words());
        assert_eq!(exit, Exit { code: Some(0), signal: None, reason: None, no_space: false });
    }

    #[test]
    fn a_server_that_failed_says_why() {
        let exit = explain(ExitStatus::from_raw(2 << 8), &words());
        assert_eq!((exit.code, exit.no_space), (Some(2), true));
        assert_eq!(exit.reason, words().reason);
    }

    #[test]
    fn a_server_that_was_killed_is_not_explained_by_its_log() {
        let exit = explain(ExitStatus::from_raw(9), &words());
        assert_eq!((exit.code, exit.signal, exit.reason), (None, Some(9), None));
        assert!(exit.no_space);
    }
}
