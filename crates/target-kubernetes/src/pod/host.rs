//! The server of a pod, held by the sidecar: kubelet starts its process again whenever it ends.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustix::process::Signal as Kernel;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use vaultyard_durable::growing::{self, Limit};
use vaultyard_durable::{self as durable, absent};
use vaultyard_model::ServerName;
use vaultyard_model::observed::{LastEnd, ProcessSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::{Host, HostError, Signal};

use super::paths::Paths;
use super::process::Process;

/// How often it is looked whether the server has been started.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a server that was asked to end may take. After a step-down it sleeps for up to 10 s
/// before it ends; one that hangs never ends by itself.
const GRACE: Duration = Duration::from_secs(30);
/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(10);
/// How often the audit file's size is looked at.
const AUDIT_CHECK: Duration = Duration::from_secs(30);
/// What removing a server's data is called in errors.
const REMOVE: &str = "remove the data of";
/// For so long a process gets no SIGHUP: before it has a handler for it, the signal ends it.
const YOUNG: Duration = Duration::from_secs(2);

/// The server's process and data, as its pod's sidecar holds them.
#[derive(Clone)]
pub struct PodHost {
    server: ServerName,
    paths: Paths,
    held: watch::Receiver<Option<Held>>,
    seen: watch::Receiver<ProcessSeen>,
}

#[derive(Clone)]
struct Held {
    process: Arc<Process>,
    since: Instant,
}

/// The loop behind a [`PodHost`]; it runs for ever.
pub struct Looker {
    marker: String,
    server: ServerName,
    clock: Arc<dyn Clock>,
    held: watch::Sender<Option<Held>>,
    seen: watch::Sender<ProcessSeen>,
}

/// A host for the server of this pod. It is recognised by the argument that names its configuration.
pub fn watch_server(server: ServerName, paths: Paths, clock: Arc<dyn Clock>) -> (PodHost, Looker) {
    let (hold, held) = watch::channel(None);
    let (publish, seen) = watch::channel(ProcessSeen::NotStarted);
    let marker = marker(&paths);
    let looker = Looker { marker, server: server.clone(), clock, held: hold, seen: publish };
    (PodHost { server, paths, held, seen }, looker)
}

/// The argument that tells the server's process from others.
pub(super) fn marker(paths: &Paths) -> String {
    format!("-config={}", paths.configuration().display())
}

impl Looker {
    /// Looks for the process, waits for its end, and again.
    pub async fn run(self) {
        let mut told = None;
        loop {
            let found = match Process::find(&self.marker) {
                Ok(found) => found,
                Err(error) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        warn!(server = %self.server, "its process cannot be looked for: {text}");
                        told = Some(text);
                    }
                    None
                }
            };
            let Some(process) = found else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            info!(server = %self.server, pid = process.pid(), "server started");
            let process = Arc::new(process);
            let running = ProcessSeen::Running { pid: process.pid(), since: self.clock.now() };
            self.held.send_replace(Some(Held { process: process.clone(), since: Instant::now() }));
            self.seen.send_replace(running);
            process.ended().await;
            warn!(server = %self.server, pid = process.pid(), "server ended");
            self.held.send_replace(None);
            self.seen.send_replace(ProcessSeen::NotStarted);
        }
    }
}

impl PodHost {
    /// The life of the process, as it changes.
    pub fn watch_process(&self) -> watch::Receiver<ProcessSeen> {
        self.seen.clone()
    }

    /// Keeps the audit file from filling the volume, which would end the server's service; runs for
    /// ever.
    pub async fn rotate_audit(self) {
        let mut told = None;
        loop {
            sleep(AUDIT_CHECK).await;
            let failed = self.set_audit_aside(growing::AUDIT).await.err();
            if let Some(error) = failed.as_ref().filter(|_| failed != told) {
                warn!(server = %self.server, "{error}");
            }
            told = failed;
        }
    }

    /// Sets the audit file aside when it is too large, and has the server open it anew. Says whether
    /// that was done.
    async fn set_audit_aside(&self, limit: Limit) -> Result<bool, HostError> {
        // One that is down or has only just been started cannot be told now.
        if self.held().is_none_or(|held| held.since.elapsed() < YOUNG) {
            return Ok(false);
        }
        let aside = self.with_files("set aside the audit file of", move |paths| {
            growing::set_aside(&paths.audit(), limit)
        });
        if !aside.await? {
            return Ok(false);
        }
        self.reload().await?;
        info!(server = %self.server, "its audit file was set aside");
        Ok(true)
    }

    fn held(&self) -> Option<Held> {
        self.held.borrow().clone()
    }

    /// Ends a process; with SIGKILL when it does not end by itself in time.
    async fn end(&self, process: &Process, signal: Signal) -> Result<(), HostError> {
        let first = match signal {
            Signal::Terminate => Kernel::TERM,
            Signal::Kill => Kernel::KILL,
        };
        // The only error is that it has ended already, which is what is wanted.
        process.signal(first).ok();
        if timeout(GRACE, process.ended()).await.is_ok() {
            return Ok(());
        }
        warn!(server = %self.server, "server did not end within {GRACE:?}; killing it");
        process.signal(Kernel::KILL).ok();
        let gone = timeout(KILLED, process.ended()).await;
        gone.map_err(|_| self.error("kill", "its process is still there after SIGKILL"))
    }

    /// Takes the data away under the server. One that kubelet started in between works on what was
    /// taken away, so it is ended too; the one after it finds nothing.
    async fn take_data_away(&self) -> Result<(), HostError> {
        loop {
            if let Some(held) = self.held() {
                self.end(&held.process, Signal::Kill).await?;
            }
            let moved = self.with_files(REMOVE, |paths| {
                remove(&paths.removed())?;
                if paths.data().exists() {
                    fs::rename(paths.data(), paths.removed())?;
                    return Ok(true);
                }
                Ok(false)
            });
            if !moved.await? {
                return Ok(());
            }
            // Long enough for a process that was about to be seen.
            sleep(LOOK_EVERY * 2).await;
        }
    }

    async fn with_files<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Paths) -> io::Result<T> + Send + 'static,
    ) -> Result<T, HostError> {
        let paths = self.paths.clone();
        let done = tokio::task::spawn_blocking(move || work(&paths)).await;
        let done = done.map_err(|error| self.error(what, &error.to_string()))?;
        done.map_err(|error| self.error(what, &error.to_string()))
    }

    fn error(&self, what: &str, why: &str) -> HostError {
        HostError { what: format!("{what} {}", self.server), why: why.to_owned() }
    }
}

fn remove(folder: &std::path::Path) -> io::Result<()> {
    absent(fs::remove_dir_all(folder)).map(drop)
}

#[async_trait]
impl Host for PodHost {
    fn process(&self) -> ProcessSeen {
        self.seen.borrow().clone()
    }

    /// Kubelet knows how containers ended, and the cluster controller asks it.
    fn last_end(&self) -> Option<LastEnd> {
        None
    }

    /// What the server writes goes to kubelet.
    fn election_won(&self) -> Option<Timestamp> {
        None
    }

    async fn restart(&self, signal: Signal, why: &str) -> Result<(), HostError> {
        warn!(server = %self.server, ?signal, "restarting the server: {why}");
        match self.held() {
            Some(held) => self.end(&held.process, signal).await,
            None => Ok(()),
        }
    }

    async fn restart_process(&self, pid: u32, signal: Signal, why: &str) -> Result<(), HostError> {
        match self.held().filter(|held| held.process.pid() == pid) {
            Some(held) => {
                warn!(server = %self.server, pid, ?signal, "restarting the server: {why}");
                self.end(&held.process, signal).await
            }
            None => Ok(()),
        }
    }

    async fn wipe(&self, why: &str) -> Result<(), HostError> {
        warn!(server = %self.server, "removing the server's data: {why}");
        self.take_data_away().await?;
        self.with_files(REMOVE, |paths| {
            remove(&paths.removed())?;
            durable::make_private_folder(&paths.data())
        })
        .await
    }

    async fn reload(&self) -> Result<(), HostError> {
        let held = self.held().ok_or_else(|| self.error("reload", "its process has ended"))?;
        if held.since.elapsed() < YOUNG {
            return Err(self.error("reload", "its process has only just been started"));
        }
        let sent = held.process.signal(Kernel::HUP);
        sent.map_err(|error| self.error("reload", &error.to_string()))
    }

    fn free_bytes(&self) -> Result<u64, HostError> {
        let volume = self.paths.volume();
        let disk = rustix::fs::statvfs(&volume)
            .map_err(|error| self.error("ask for the free space of", &error.to_string()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
