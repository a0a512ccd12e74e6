//! An emulator as a child process.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts it, and waits until it answers.
    pub(crate) async fn start(mut command: Command, address: SocketAddr) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let process = Self(child);
        let until = Instant::now() + PATIENCE;
        while let Err(error) = TcpStream::connect(address).await {
            assert!(Instant::now() < until, "{command:?} does not answer at {address}: {error}");
            tokio::time::sleep(PAUSE).await;
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A part that `cargo xtask parts` has fetched, or the one that a variable names.
pub(crate) fn part(variable: &str, name: &str) -> PathBuf {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-parts");
    let part = std::env::var_os(variable).map_or_else(|| parts.join(name), PathBuf::from);
    assert!(part.exists(), "{} is missing: run `cargo xtask parts`", part.display());
    part
}

/// A port that is free now.
pub(crate) fn free(ip: IpAddr) -> SocketAddr {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}
