//! Which process it is: a process id alone is given to somebody else sooner or later.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One process among all that ever ran on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (proc_pid_stat(5), `starttime`).
    start: u64,
    /// Which start of the machine (random(4), `boot_id`).
    boot: String,
}

impl Identity {
    /// Of the process that has this id now and has not ended.
    ///
    /// # Errors
    /// The file system's; `NotFound` when there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start = living_start(&stat).ok_or(io::ErrorKind::NotFound)?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Self { pid, start, boot })
    }

    /// Returns when this process has ended. It is nobody's child here, so that all that can be done
    /// is to look again and again.
    pub(super) async fn ended(&self) {
        while Self::of(self.pid).is_ok_and(|now| now == *self) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether this very process runs, with `folder` as its working directory.
    pub(super) fn runs_in(&self, folder: &Path) -> bool {
        let same = || {
            let at = std::fs::canonicalize(format!("/proc/{}/cwd", self.pid))?;
            Ok::<_, io::Error>(at == std::fs::canonicalize(folder)?)
        };
        Self::of(self.pid).is_ok_and(|now| now == *self) && same().unwrap_or(false)
    }
}

/// The start time in a line of `/proc/PID/stat`; `None` for a process that has ended and waits for
/// its parent to notice. The program's name stands in brackets and may hold anything.
fn living_start(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // `state` is the third field, `starttime` the twenty-second.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(living_start(stat), Some(4242));
        assert_eq!(living_start(&stat.replace(") S", ") Z")), None);
        assert_eq!(living_start("7 (a"), None);
    }

    #[test]
    fn a_process_is_itself_in_its_own_folder_only() {
        let own = Identity::of(std::process::id()).unwrap();
        let folder = std::path::absolute(".").unwrap();
        assert!(own.runs_in(&folder));
        assert!(!own.runs_in(Path::new("/")));
        assert!(!Identity { start: own.start + 1, ..own.clone() }.runs_in(&folder));
        assert!(!Identity { boot: String::new(), ..own }.runs_in(&folder));
    }
}
