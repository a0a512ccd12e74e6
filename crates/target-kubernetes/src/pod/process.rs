//! The server's process among those that the containers of a pod share.
//!
//! It is nobody's child here, so it is held by a descriptor (pidfd_open(2)): a signal through that
//! never reaches another process that was given the same id.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::watch;

/// One process that ran when it was looked for.
pub(crate) struct Process {
    pid: u32,
    descriptor: Arc<OwnedFd>,
    ended: watch::Receiver<bool>,
}

impl Process {
    /// The process one of whose arguments is `marker`; `None` while there is none.
    ///
    /// # Errors
    /// The system's, when `/proc` cannot be read or the process not be held.
    pub(crate) fn find(marker: &str) -> io::Result<Option<Self>> {
        for pid in with_argument(marker)? {
            if let Some(process) = Self::hold(pid?, marker)? {
                return Ok(Some(process));
            }
        }
        Ok(None)
    }

    fn hold(pid: u32, marker: &str) -> io::Result<Option<Self>> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(raw) = raw else { return Ok(None) };
        let descriptor = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(descriptor) => Arc::new(descriptor),
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // What is held now may be another process than the one that was looked at.
        if !has_argument(pid, marker) {
            return Ok(None);
        }
        let ended = watch_end(descriptor.clone())?;
        Ok(Some(Self { pid, descriptor, ended }))
    }

    /// Its id in the pod.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&self) {
        // Only the end itself closes the channel, after it has been told there.
        self.ended.clone().wait_for(|ended| *ended).await.ok();
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// The system's, also when it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.descriptor, signal)?)
    }
}

/// Waits in a thread, which ends when the process does: a descriptor of a process becomes readable
/// then, and tokio takes no foreign descriptor without unsafe code.
fn watch_end(descriptor: Arc<OwnedFd>) -> io::Result<watch::Receiver<bool>> {
    let (tell, ended) = watch::channel(false);
    std::thread::Builder::new().name("server-end".to_owned()).spawn(move || {
        let mut wanted = [PollFd::new(&descriptor, PollFlags::IN)];
        // The descriptor is ours and open, so nothing but a signal can break this off.
        retry_on_intr(|| poll(&mut wanted, None)).ok();
        tell.send_replace(true);
    })?;
    Ok(ended)
}

/// The ids of the processes that have this argument now.
///
/// # Errors
/// The system's, when `/proc` cannot be read.
pub(crate) fn with_argument(marker: &str) -> io::Result<impl Iterator<Item = io::Result<u32>>> {
    let id = |name: &std::ffi::OsStr| name.to_str()?.parse::<u32>().ok();
    let found = std::fs::read_dir("/proc")?.filter_map(move |entry| match entry {
        Ok(entry) => id(&entry.file_name()).map(Ok),
        Err(error) => Some(Err(error)),
    });
    Ok(found.filter(|pid| pid.as_ref().map_or(true, |pid| has_argument(*pid, marker))))
}

/// Whether a process that has not ended has this argument.
fn has_argument(pid: u32, marker: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|argument| argument == marker.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn a_process_is_found_by_an_argument_and_its_end_is_seen() {
        let marker = format!("vaultyard-process-test-{}", std::process::id());
        assert!(Process::find(&marker).unwrap().is_none());
        let mut child = Command::new("sh")
            .args(["-c", "read _", &marker])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        // A child has its arguments only once it has become the program.
        let found = loop {
            match Process::find(&marker).unwrap() {
                Some(found) => break found,
                None => assert!(std::time::Instant::now() < deadline, "it is never found"),
            }
        };
        assert_eq!(found.pid(), child.id());
        found.signal(Signal::KILL).unwrap();
        found.ended().await;
        child.wait().unwrap();
        assert!(found.signal(Signal::KILL).is_err());
        assert!(Process::find(&marker).unwrap().is_none());
    }
}
