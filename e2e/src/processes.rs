//! The processes of one home, found by the folder they work in, so that a test ends only what it
//! started.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Processes that work in or below one folder.
#[derive(Debug, Clone)]
pub struct Processes {
    folder: PathBuf,
}

impl Processes {
    /// Those in `folder`.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()) }
    }

    /// Process ids of every `bao` in the folder, by nothing in particular.
    #[must_use]
    pub fn servers(&self) -> Vec<u32> {
        self.all()
            .into_iter()
            .filter(|(_, process)| process.is_server())
            .map(|(id, _)| id)
            .collect()
    }

    /// The process id of the server with this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<u32> {
        self.named(name).map(|(id, _)| id)
    }

    /// The folder that the server with this name works in.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    #[track_caller]
    pub fn folder_of(&self, name: &str) -> PathBuf {
        let (_, process) = self.named(name).unwrap_or_else(|| panic!("{name} does not run"));
        process.works_in
    }

    fn named(&self, name: &str) -> Option<(u32, Process)> {
        let works_there = |process: &Process| process.works_in.iter().any(|part| part == name);
        let mut all = self.all().into_iter();
        all.find(|(_, process)| process.is_server() && works_there(process))
    }

    /// Whether this process still lives and is one of ours.
    #[must_use]
    pub fn lives(&self, id: u32) -> bool {
        self.all().iter().any(|(other, _)| *other == id)
    }

    /// Sends a signal to a process of this folder; one that has gone is no fault.
    pub fn signal(&self, id: u32, signal: Signal) {
        if self.lives(id) {
            send(id, signal);
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&self, id: u32) {
        self.signal(id, Signal::KILL);
        wait(&format!("process {id} ends"), Duration::from_secs(10), || {
            (!self.lives(id)).then_some(())
        });
    }

    /// Waits until no server runs any more. The kernel kills the servers of a Vaultyard that was
    /// killed; it takes them a moment to end.
    ///
    /// # Panics
    /// When one runs on.
    #[track_caller]
    pub fn wait_until_no_server_runs(&self) {
        wait("the servers go with Vaultyard", Duration::from_secs(5), || {
            self.servers().is_empty().then_some(())
        });
    }

    /// Ends everything that is left, so that a failed test leaves nothing behind.
    pub(crate) fn sweep(&self) {
        for _ in 0..20 {
            let left = self.all();
            if left.is_empty() {
                return;
            }
            for (id, _) in left {
                send(id, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Living processes in the folder, by id; a zombie has no folder any more.
    fn all(&self) -> Vec<(u32, Process)> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter_map(|id| Some((id, Process::look(id)?)))
            .filter(|(_, process)| process.works_in.starts_with(&self.folder))
            .collect()
    }
}

/// What `/proc` says of a process.
struct Process {
    works_in: PathBuf,
    program: PathBuf,
}

impl Process {
    fn look(id: u32) -> Option<Self> {
        let place = Path::new("/proc").join(id.to_string());
        let works_in = fs::read_link(place.join("cwd")).ok()?;
        Some(Self {
            // That the folder is gone does not make the process another one.
            works_in: works_in.to_str()?.trim_end_matches(" (deleted)").into(),
            program: fs::read_link(place.join("exe")).ok()?,
        })
    }

    fn is_server(&self) -> bool {
        self.program.file_name().is_some_and(|name| name == "bao")
    }
}

fn send(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    // That it has ended in the meantime is what was wanted.
    let _ = id.map(|id| kill_process(id, signal));
}
