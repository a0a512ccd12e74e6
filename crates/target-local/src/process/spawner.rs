//! The thread that spawns servers.
//!
//! The kernel sends the parent-death signal when the spawning *thread* ends, not the process. A
//! runtime's threads come and go; this one lives until the last [`Spawner`] and the last process
//! that came from it are dropped.

use std::ffi::OsString;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::die_with_parent::die_with_parent;

/// Spawns processes that do not outlive this program. Clones share the thread.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
    environment: Arc<[(OsString, OsString)]>,
    outlived: bool,
}

#[derive(Debug)]
struct Request {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start() -> io::Result<Self> {
        let (requests, received) = mpsc::channel();
        thread::Builder::new().name("spawner".to_owned()).spawn(move || serve(&received))?;
        Ok(Self { requests, environment: Arc::default(), outlived: false })
    }

    /// Every process finds these in its environment.
    #[must_use]
    pub fn with_environment(
        self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        Self { environment: environment.into_iter().collect(), ..self }
    }

    /// Starts the thread of a spawner whose processes live on when this program is killed: what a
    /// test of the next start needs.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    #[cfg(feature = "fault-injection")]
    pub fn start_for_survivors() -> io::Result<Self> {
        Ok(Self { outlived: true, ..Self::start()? })
    }

    /// Spawns a process that is killed when it is dropped, and that the kernel kills when this
    /// program ends, however it does. It has a process group of
    /// its own, so that a terminal's Ctrl-C reaches Vaultyard alone.
    ///
    /// # Errors
    /// The operating system's, when the program cannot be executed.
    pub async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        command.process_group(0).kill_on_drop(true);
        command.envs(self.environment.iter().cloned());
        if !self.outlived {
            die_with_parent(&mut command);
        }
        let (answer, answered) = oneshot::channel();
        let request = Request { command, runtime: Handle::current(), answer };
        self.requests.send(request).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn serve(received: &mpsc::Receiver<Request>) {
    while let Ok(Request { mut command, runtime, answer }) = received.recv() {
        let _entered = runtime.enter();
        let spawned = command.spawn();
        // When whoever asked is gone, the process is dropped here, and killed by that.
        drop(answer.send(spawned));
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that spawns processes has ended")
}
