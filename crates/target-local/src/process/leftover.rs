//! Servers that outlived a killed Vaultyard. The kernel ends them with it; this is for the cases
//! where it does not (a program with file capabilities or another user's identity).

use std::io;
use std::path::PathBuf;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use vaultyard_durable as durable;

use super::ARGUMENTS;
use super::identity::Identity;
use crate::Paths;

/// A server of this state directory that runs, although nobody supervises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its process.
    pub identity: Identity,
    /// Its folder.
    pub folder: PathBuf,
}

/// Finds them by the records beside the servers, and among all processes those whose
/// record was not written any more; also those of servers that are not declared any more. Only
/// for the holder of the state directory's lock.
///
/// # Errors
/// The file system's. A record that cannot be read names no process and is passed over.
pub fn leftovers(paths: &Paths) -> io::Result<Vec<Leftover>> {
    let entries = match std::fs::read_dir(paths.servers()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let servers = running_servers()?;
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        if !folder.is_dir() {
            continue;
        }
        let recorded = durable::read(&folder.join("process.json"))?
            .and_then(|record| serde_json::from_slice::<Identity>(&record).ok());
        let unrecorded = servers.iter().filter(|server| Some(*server) != recorded.as_ref());
        let all = recorded.iter().chain(unrecorded).filter(|identity| identity.runs_in(&folder));
        found.extend(all.cloned().map(|identity| Leftover { identity, folder: folder.clone() }));
    }
    Ok(found)
}

/// Every process of this machine that was started as we start a server.
fn running_servers() -> io::Result<Vec<Identity>> {
    let mut servers = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends meanwhile is none.
        let Ok(command) = std::fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        let arguments: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        if arguments.get(1..3).is_some_and(|given| given == ARGUMENTS.map(str::as_bytes)) {
            servers.extend(Identity::of(pid).ok());
        }
    }
    Ok(servers)
}

impl Leftover {
    /// Ends it by SIGKILL, as the kernel should have when its supervisor was killed. Returns when it
    /// has ended. SIGTERM would be no kinder: there is no proxy left whose requests could end, and
    /// a server that gets it in the middle of joining can never join again, while one that is
    /// killed can.
    ///
    /// # Errors
    /// The kernel's, when the process may not be signalled.
    pub async fn end(self) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.identity.pid).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(error) if error == rustix::io::Errno::SRCH => return Ok(()),
            opened => opened?,
        };
        // The descriptor holds on to whoever has the id now. Is it still the one we looked for?
        if !self.identity.runs_in(&self.folder) {
            return Ok(());
        }
        pidfd_send_signal(&process, Signal::KILL)?;
        self.identity.ended().await;
        Ok(())
    }
}
