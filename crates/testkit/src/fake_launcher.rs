//! A launcher whose processes live and die as a test says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use vaultyard_model::ServerName;
use vaultyard_model::observed::Exit;
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::launcher::{Launcher, Running, SignalKind};

/// What a [`FakeLauncher`] was asked to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A process was started; they are numbered from 1.
    Launched(u32),
    /// A process got this signal.
    Signalled(u32, SignalKind),
    /// The data was removed.
    DataRemoved,
    /// The audit file of this process was looked at.
    AuditChecked(u32),
}

/// Starts processes that exist only here.
pub struct FakeLauncher {
    free_bytes: AtomicU64,
    asked: Arc<Mutex<Vec<Asked>>>,
    refusals: Mutex<VecDeque<HostError>>,
    processes: Mutex<Vec<FakeRunning>>,
}

impl Default for FakeLauncher {
    fn default() -> Self {
        Self {
            free_bytes: AtomicU64::new(1 << 30),
            asked: Arc::default(),
            refusals: Mutex::default(),
            processes: Mutex::default(),
        }
    }
}

impl FakeLauncher {
    /// So much is free on the disk from now on.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.free_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The next launch fails with this.
    pub fn refuse_next(&self, error: HostError) {
        locked(&self.refusals).push_back(error);
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        locked(&self.asked).clone()
    }

    /// Ends the newest process in this way.
    pub fn end_newest(&self, exit: Exit) {
        if let Some(newest) = locked(&self.processes).last() {
            newest.exit.send_replace(Some(exit));
        }
    }
}

/// A process of a [`FakeLauncher`]. SIGTERM and SIGKILL end it at once.
#[derive(Clone)]
struct FakeRunning {
    pid: u32,
    asked: Arc<Mutex<Vec<Asked>>>,
    exit: watch::Sender<Option<Exit>>,
}

/// The guarded value, also after a panic elsewhere: tests judge what was recorded until then.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The exit of a process that got this signal.
pub fn exit_by_signal(signal: i32) -> Exit {
    Exit { code: None, signal: Some(signal), reason: None, no_space: false }
}

#[async_trait]
impl Launcher for FakeLauncher {
    async fn launch(&self, _: &ServerName) -> Result<Box<dyn Running>, HostError> {
        if let Some(error) = locked(&self.refusals).pop_front() {
            return Err(error);
        }
        let mut processes = locked(&self.processes);
        let pid = processes.len() as u32 + 1;
        locked(&self.asked).push(Asked::Launched(pid));
        let (exit, _) = watch::channel(None);
        let running = FakeRunning { pid, asked: self.asked.clone(), exit };
        processes.push(running.clone());
        Ok(Box::new(running))
    }

    async fn remove_data(&self, _: &ServerName) -> Result<(), HostError> {
        locked(&self.asked).push(Asked::DataRemoved);
        Ok(())
    }

    fn free_bytes(&self, _: &ServerName) -> Result<u64, HostError> {
        Ok(self.free_bytes.load(Ordering::Relaxed))
    }

    fn election_won(&self, _: &ServerName) -> Option<Timestamp> {
        None
    }

    async fn rotate_audit(&self, _: &ServerName, running: &dyn Running) -> Result<bool, HostError> {
        locked(&self.asked).push(Asked::AuditChecked(running.pid()));
        Ok(false)
    }
}

#[async_trait]
impl Running for FakeRunning {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn since(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn wait(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_else(|| exit_by_signal(9)),
            Err(_) => exit_by_signal(9),
        }
    }

    fn signal(&self, signal: SignalKind) -> Result<(), HostError> {
        locked(&self.asked).push(Asked::Signalled(self.pid, signal));
        match signal {
            SignalKind::Hangup => {}
            SignalKind::Terminate => {
                self.exit.send_replace(Some(exit_by_signal(15)));
            }
            SignalKind::Kill => {
                self.exit.send_replace(Some(exit_by_signal(9)));
            }
        }
        Ok(())
    }
}
