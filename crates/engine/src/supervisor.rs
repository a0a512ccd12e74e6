//! One server's process: start it, wait for its end, start it again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval_at};
use tracing::{info, warn};
use vaultyard_model::ServerName;
use vaultyard_model::observed::{Exit, LastEnd, ProcessSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::{Host, HostError, Signal};
use vaultyard_model::port::launcher::{Launcher, Running, SignalKind};
use vaultyard_plan::restart;
use vaultyard_plan::shortfall::ExitText;

/// How long a server that was asked to end may take. After a step-down it sleeps for up to 10 s
/// before it ends; one that hangs never ends by itself.
const GRACE: Duration = Duration::from_secs(30);
/// How often the audit file's size is looked at.
const AUDIT_CHECK: Duration = Duration::from_secs(30);
/// How often it is looked whether a disk that was full has room again.
const ROOM_CHECK: Duration = Duration::from_secs(1);

/// For so long a process gets no SIGHUP: before it has a handler for it, the signal ends it. What it
/// would load it has just read.
const YOUNG: Duration = Duration::from_secs(2);

/// What a supervisor can be told. Each is answered when it is done.
enum Command {
    /// End the process, for this reason, and start it again at once.
    Restart(Signal, String),
    /// The same, if the process with this id is still the one that runs.
    RestartProcess(u32, Signal, String),
    /// End the process, remove the data, start again.
    Wipe,
    /// Send SIGHUP, unless the process is too young for it.
    Reload,
    /// End the process, and end the supervisor.
    Stop(Signal),
}

type Answer = oneshot::Sender<Result<(), HostError>>;

/// The handle of a supervised server.
#[derive(Clone)]
pub struct Supervised {
    server: ServerName,
    launcher: Arc<dyn Launcher>,
    commands: mpsc::Sender<(Command, Answer)>,
    process: watch::Receiver<ProcessSeen>,
    last_end: watch::Receiver<Option<LastEnd>>,
}

/// The loop behind a [`Supervised`]; [`run`](Self::run) it on a task.
pub struct Supervisor {
    server: ServerName,
    launcher: Arc<dyn Launcher>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Receiver<(Command, Answer)>,
    process: watch::Sender<ProcessSeen>,
    last_end: watch::Sender<Option<LastEnd>>,
    /// How often the process ended in a row, without having been asked to.
    times: u32,
}

/// A supervisor for one server, and its handle. Nothing is started before the loop runs.
pub fn supervise(
    server: ServerName,
    launcher: Arc<dyn Launcher>,
    clock: Arc<dyn Clock>,
) -> (Supervised, Supervisor) {
    let (commands, told) = mpsc::channel(8);
    let (publish, process) = watch::channel(ProcessSeen::NotStarted);
    let (note, last_end) = watch::channel(None);
    let handle = Supervised {
        server: server.clone(),
        launcher: launcher.clone(),
        commands,
        process,
        last_end,
    };
    let supervisor = Supervisor {
        server,
        launcher,
        clock,
        commands: told,
        process: publish,
        last_end: note,
        times: 0,
    };
    (handle, supervisor)
}

/// How one life of a process came to its end.
enum End {
    /// By itself.
    Died(Exit),
    /// Because it was asked to, and it is wanted again.
    Asked,
    /// Because it was asked to, for good.
    Stopped,
}

impl Supervisor {
    /// Keeps the server running until it is told to stop or every handle is gone.
    pub async fn run(mut self) {
        loop {
            let end = match self.launcher.launch(&self.server).await {
                Ok(running) => self.live(running.as_ref()).await,
                Err(error) => {
                    self.times = self.times.saturating_add(1);
                    End::Died(not_launched(&error))
                }
            };
            let go_on = match end {
                End::Died(exit) => self.rest(exit).await,
                End::Asked => true,
                End::Stopped => false,
            };
            if !go_on {
                self.process.send_replace(ProcessSeen::Stopped);
                return;
            }
        }
    }

    /// One life: from the start of the process to its end.
    async fn live(&mut self, running: &dyn Running) -> End {
        let (pid, since) = (running.pid(), running.since());
        info!(server = %self.server, pid, "server started");
        self.process.send_replace(ProcessSeen::Running { pid, since });
        let started = Instant::now();
        let mut audit_check = interval_at(started + AUDIT_CHECK, AUDIT_CHECK);
        loop {
            tokio::select! {
                exit = running.wait() => {
                    let lived = self.clock.now().duration_since(since);
                    let lived = Duration::try_from(lived).unwrap_or(Duration::ZERO);
                    self.times = restart::times_in_a_row(self.times, lived);
                    return End::Died(exit);
                }
                told = self.commands.recv() => {
                    if let Some(end) = self.obey(told, running, started).await {
                        return end;
                    }
                }
                _ = audit_check.tick() => self.rotate_audit(running).await,
            }
        }
    }

    /// Does what was told to a living server; the end it came to by that, if it did.
    async fn obey(
        &self,
        told: Option<(Command, Answer)>,
        running: &dyn Running,
        started: Instant,
    ) -> Option<End> {
        let Some((command, answer)) = told else {
            end(running, Signal::Terminate).await;
            return Some(End::Stopped);
        };
        let (result, end) = match command {
            Command::Reload if started.elapsed() < YOUNG => {
                (Err(self.error("reload", "its process has only just been started")), None)
            }
            Command::Reload => (running.signal(SignalKind::Hangup), None),
            Command::RestartProcess(pid, ..) if pid != running.pid() => (Ok(()), None),
            Command::Restart(signal, why) | Command::RestartProcess(_, signal, why) => {
                self.end(running, signal).await;
                self.note_end(Exit { reason: Some(why), ..running.wait().await });
                (Ok(()), Some(End::Asked))
            }
            Command::Wipe => {
                self.end(running, Signal::Kill).await;
                (self.launcher.remove_data(&self.server).await, Some(End::Asked))
            }
            Command::Stop(signal) => {
                end(running, signal).await;
                (Ok(()), Some(End::Stopped))
            }
        };
        // Whoever asked may have gone; what was asked is done all the same.
        answer.send(result).ok();
        end
    }

    /// Ends a process that is started again. Until then nothing runs, and nothing that was said of
    /// this one is said of the next.
    async fn end(&self, running: &dyn Running, signal: Signal) {
        end(running, signal).await;
        self.process.send_replace(ProcessSeen::NotStarted);
    }

    /// Waits until a server that died may be started again. False when it was told to stop.
    async fn rest(&mut self, exit: Exit) -> bool {
        let wait = restart::delay(&exit, self.times);
        let room = exit.no_space.then(|| self.room()).flatten();
        let at = self.clock.now();
        let again = at.checked_add(wait).unwrap_or(at);
        warn!(server = %self.server, times = self.times, again_in = ?wait, "server ended: {}",
            ExitText(&exit));
        self.note_end(exit.clone());
        self.process.send_replace(ProcessSeen::Ended { exit, at, again, times: self.times });
        let waited = tokio::time::sleep(wait);
        tokio::pin!(waited);
        let mut room_check = interval_at(Instant::now() + ROOM_CHECK, ROOM_CHECK);
        loop {
            tokio::select! {
                () = &mut waited => return true,
                _ = room_check.tick(), if room.is_some() => {
                    if restart::has_room_again(room, self.room()) {
                        return true;
                    }
                }
                told = self.commands.recv() => {
                    let Some((command, answer)) = told else { return false };
                    let (result, go_on) = match command {
                        Command::Reload => (Err(self.error("reload", "its process has ended")), None),
                        Command::Restart(..) => (Ok(()), Some(true)),
                        Command::RestartProcess(..) => (Ok(()), None),
                        Command::Wipe => {
                            (self.launcher.remove_data(&self.server).await, Some(true))
                        }
                        Command::Stop(_) => (Ok(()), Some(false)),
                    };
                    answer.send(result).ok();
                    if let Some(go_on) = go_on {
                        return go_on;
                    }
                }
            }
        }
    }

    /// What is free on its disk, in bytes.
    fn room(&self) -> Option<u64> {
        self.launcher.free_bytes(&self.server).ok()
    }

    /// What `status` and `why` tell of it when it runs again.
    fn note_end(&self, exit: Exit) {
        self.last_end.send_replace(Some(LastEnd { exit, at: self.clock.now() }));
    }

    async fn rotate_audit(&self, running: &dyn Running) {
        if let Err(error) = self.launcher.rotate_audit(&self.server, running).await {
            warn!(server = %self.server, "{error}");
        }
    }

    fn error(&self, what: &str, why: &str) -> HostError {
        HostError { what: format!("{what} {}", self.server), why: why.to_owned() }
    }
}

/// Ends a process; with SIGKILL when it does not end by itself in time.
async fn end(running: &dyn Running, signal: Signal) {
    let kind = match signal {
        Signal::Terminate => SignalKind::Terminate,
        Signal::Kill => SignalKind::Kill,
    };
    // The only error is that it has ended already, which is what is wanted.
    running.signal(kind).ok();
    if tokio::time::timeout(GRACE, running.wait()).await.is_err() {
        warn!(pid = running.pid(), "server did not end within {GRACE:?}; killing it");
        running.signal(SignalKind::Kill).ok();
        running.wait().await;
    }
}

fn not_launched(error: &HostError) -> Exit {
    Exit { code: None, signal: None, reason: Some(error.to_string()), no_space: false }
}

impl Supervised {
    /// Which server.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// The life of its process, as it changes.
    pub fn watch_process(&self) -> watch::Receiver<ProcessSeen> {
        self.process.clone()
    }

    /// Ends the process for good, with this signal; returns when it has ended.
    ///
    /// # Errors
    /// [`HostError`] when the supervisor is gone.
    pub async fn stop(&self, signal: Signal) -> Result<(), HostError> {
        self.tell(Command::Stop(signal), "stop").await
    }

    async fn tell(&self, command: Command, what: &str) -> Result<(), HostError> {
        let gone = || HostError {
            what: format!("{what} {}", self.server),
            why: "its supervisor has ended".to_owned(),
        };
        let (answer, done) = oneshot::channel();
        self.commands.send((command, answer)).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Host for Supervised {
    fn process(&self) -> ProcessSeen {
        self.process.borrow().clone()
    }

    fn last_end(&self) -> Option<LastEnd> {
        self.last_end.borrow().clone()
    }

    fn election_won(&self) -> Option<Timestamp> {
        self.launcher.election_won(&self.server)
    }

    async fn restart_process(&self, pid: u32, signal: Signal, why: &str) -> Result<(), HostError> {
        warn!(server = %self.server, pid, ?signal, "restarting the server: {why}");
        self.tell(Command::RestartProcess(pid, signal, why.to_owned()), "restart").await
    }

    async fn restart(&self, signal: Signal, why: &str) -> Result<(), HostError> {
        warn!(server = %self.server, ?signal, "restarting the server: {why}");
        self.tell(Command::Restart(signal, why.to_owned()), "restart").await
    }

    async fn wipe(&self, why: &str) -> Result<(), HostError> {
        warn!(server = %self.server, "removing the server's data: {why}");
        self.tell(Command::Wipe, "wipe").await
    }

    async fn reload(&self) -> Result<(), HostError> {
        self.tell(Command::Reload, "reload").await
    }

    fn free_bytes(&self) -> Result<u64, HostError> {
        self.launcher.free_bytes(&self.server)
    }
}
