//! What a process has used, as the kernel counts it, and processes that end with their owner.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// `/proc` counts processor time in hundredths of a second on every Linux that OpenBao is built
/// for; the sums are exact, only rounded to that.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that the process, with all its threads, has taken so far.
pub(crate) fn cpu(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name of the program, in brackets, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let field =
        |number: usize| -> f64 { fields.split_whitespace().nth(number).unwrap().parse().unwrap() };
    Duration::from_secs_f64((field(11) + field(12)) / TICKS_PER_SECOND)
}

/// Memory that a process has in RAM, in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// All of it, with the pages of the program that were touched.
    pub(crate) resident: f64,
    /// What nobody else could share: heap and stacks.
    pub(crate) anonymous: f64,
}

pub(crate) fn memory(id: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    };
    Memory { resident: field("VmRSS:"), anonymous: field("RssAnon:") }
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Owned(Child);

impl Owned {
    /// Starts a program that works in `folder` and writes what it says into a file there.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, folder: &Path, log: &str) -> Self {
        let talk = File::create(folder.join(log)).unwrap();
        command.current_dir(folder).stdout(talk.try_clone().unwrap()).stderr(talk);
        Self::spawn(command.stdin(Stdio::null()))
    }

    /// The same with input and output as `command` says.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let started = command.spawn();
        Self(started.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display())))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // That it has ended already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
