//! `vaultyard controller prover`: runs a throw-away server for as long as the unsealer beside it has a configuration of
//! one on the volume. It is a container of its own, in which nothing of the unsealer's is mounted: the program is that
//! of the server here, and whoever has that server decides what it is.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::sleep;
use tracing::{info, warn};
use vaultyard_durable::{self as durable, absent};
use vaultyard_model::chain;
use vaultyard_model::duration::Short;
use vaultyard_target_kubernetes::pod::{Paths, server_process};
use vaultyard_target_local::Spawner;
use vaultyard_target_local::process::log::reason_of_end;

use crate::failure::{Failure, Kind, failed};
use crate::stops::Stops;
use crate::system;

/// Between two looks whether one is wanted.
const LOOK: Duration = Duration::from_millis(500);
/// Between two looks whether it still is.
const SOON: Duration = Duration::from_millis(100);
/// The longest that one runs: it is a copy of everything, and who wanted it may be gone.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// What it writes.
const LOG: &str = "log";
const MODE: u32 = 0o600;

/// Runs one after the other until it is told to stop.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut stops = Stops::listen()?;
    let prover = Prover { paths: Paths::default(), spawner: system::spawner().map_err(failed)? };
    tokio::select! {
        () = prover.work() => Err(Failure::text(Kind::Failed, "it ended by itself")),
        _ = stops.next() => Ok(ExitCode::SUCCESS),
    }
}

struct Prover {
    paths: Paths,
    spawner: Spawner,
}

impl Prover {
    /// For ever.
    async fn work(&self) {
        // One before this one has died with its server, and whoever wanted that still does: another server would not
        // be the one that he has begun with.
        if self.is_wanted() {
            self.tell("the prover was started anew meanwhile");
            self.unwanted().await;
        }
        self.clear();
        loop {
            while !self.is_wanted() {
                sleep(LOOK).await;
            }
            self.run_one().await;
            self.clear();
        }
    }

    fn is_wanted(&self) -> bool {
        self.paths.throw_away().exists()
    }

    /// Until it is not wanted any more.
    async fn run_one(&self) {
        match self.start().await {
            Ok(mut child) => {
                info!("a throw-away server runs");
                tokio::select! {
                    ended = child.wait() => {
                        let ended = ended.map_or_else(|error| error.to_string(), |it| it.to_string());
                        self.tell(&format!("it has ended ({ended}){}", self.last_words()));
                    }
                    () = self.unwanted() => {}
                    () = sleep(LONGEST) => self.tell(&format!("it was ended after {}", Short(LONGEST))),
                }
                // One that has ended by itself cannot be killed.
                child.kill().await.ok();
                info!("the throw-away server has ended");
            }
            Err(error) => {
                self.tell(&format!("its program cannot be started here: {}", chain(&error)))
            }
        }
        self.unwanted().await;
    }

    async fn unwanted(&self) {
        while self.is_wanted() {
            sleep(SOON).await;
        }
    }

    async fn start(&self) -> io::Result<Child> {
        let folder = self.paths.throw_away_folder();
        durable::make_private_folder(&folder.join("data"))?;
        let server = server_process(&self.paths)?;
        let server = server.ok_or_else(|| io::Error::other("the server here does not run"))?;
        let log = File::create(folder.join(LOG))?;
        // Its file is another container's, and its process leads to it.
        let mut command = Command::new(format!("/proc/{server}/exe"));
        command
            .arg("server")
            .arg(format!("-config={}", self.paths.throw_away().display()))
            .current_dir(&folder)
            .env_clear()
            .env("TMPDIR", &folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.spawner.spawn(command).await
    }

    /// Says why it does not run.
    fn tell(&self, why: &str) {
        warn!("{why}");
        let told = durable::replace(&self.paths.throw_away_ended(), why.as_bytes(), MODE);
        told.unwrap_or_else(|error| warn!("that cannot be written: {error}"));
    }

    fn last_words(&self) -> String {
        let log = read(&self.paths.throw_away_folder().join(LOG));
        reason_of_end(&log).map(|reason| format!(": {reason}")).unwrap_or_default()
    }

    /// Removes everything of the last one.
    fn clear(&self) {
        let removed = absent(fs::remove_dir_all(self.paths.throw_away_folder()));
        if let Err(error) = removed {
            warn!("what is left of a throw-away server cannot be removed: {error}");
        }
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
