//! Processes that outlive this program. One is known by its id and by when it was started, so
//! that a number that the kernel has given to another process since is never taken for it.

use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::layout::{FABRIC, Layout, Node, namespace_file, within};
use crate::shell::{self, fault, write};

/// A server of the cluster and how it is started.
pub(super) struct Daemon {
    /// As people name it: `etcd`, `kubelet:node-a`.
    pub name: String,
    pub place: Place,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// Where a daemon runs.
pub(super) enum Place {
    Fabric,
    /// All namespaces of a node that is there already.
    Within(&'static Node),
    /// A node's network, and mount and host name namespaces that are made for it: the first
    /// process of a node.
    Founding(&'static Node),
}

/// A process as it is noted down.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) struct Process {
    id: u32,
    /// In clock ticks since the machine was started.
    started: u64,
}

/// Writes down who it is and becomes the daemon, so that there is no moment in which a daemon runs
/// of which nobody has a note.
const NOTE_AND_BECOME: &str =
    r#"echo "$$ $(cut -d' ' -f22 /proc/$$/stat)" > "$0.new" && mv "$0.new" "$0" && exec "$@""#;

/// Starts it in a session of its own, with its output at the end of its log.
pub(super) fn start(layout: &Layout, daemon: &Daemon) -> Result<(), String> {
    let log = layout.log(&daemon.name);
    let note = layout.pid(&daemon.name);
    write(&note, "")?;
    let logs = layout.logs();
    std::fs::create_dir_all(&logs).map_err(|error| fault(&logs, &error))?;
    let open = || OpenOptions::new().create(true).append(true).open(&log);
    let (out, err) = open().and_then(|out| Ok((out, open()?))).map_err(|e| fault(&log, &e))?;
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", NOTE_AND_BECOME]).arg(&note);
    command.args(entering(layout, &daemon.place)?).args(&daemon.command);
    // Nearly all of them are written in Go. Processors are what a test machine is short of, not memory.
    command.env("GOGC", "400");
    command.current_dir("/").stdin(Stdio::null()).stdout(out).stderr(err);
    command.spawn().map_err(|error| format!("cannot start {}: {error}", daemon.name))?;
    let noted = || Ok(noted(layout, &daemon.name).is_some());
    until(Duration::from_secs(10), &format!("the start of {}", daemon.name), noted)
}

/// The words before a command that put it where it belongs.
fn entering(layout: &Layout, place: &Place) -> Result<Vec<String>, String> {
    let command = match place {
        Place::Fabric => within(FABRIC, "env"),
        Place::Within(node) => within_node(layout, node)?,
        Place::Founding(node) => {
            let mut command = within(&node.namespace(), "unshare");
            command.args(["--mount", "--uts", "--propagation", "private", "--"]);
            command
        }
    };
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    Ok(words.map(|word| word.to_string_lossy().into_owned()).collect())
}

/// The name of a node's first process, which keeps its namespaces.
pub(super) fn founder(node: &Node) -> String {
    format!("node:{}", node.name)
}

/// A command that runs in all namespaces of a node.
pub(super) fn within_node(layout: &Layout, node: &Node) -> Result<Command, String> {
    let founder = running(layout, &founder(node)).ok_or_else(|| {
        format!("{} does not run: bring the cluster up with `cargo xtask cluster up`", node.name)
    })?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--target={}", founder.id)).args(["--mount", "--uts", "--net", "--"]);
    Ok(command)
}

/// The process of that name, if it runs.
pub(super) fn running(layout: &Layout, name: &str) -> Option<Process> {
    noted(layout, name).filter(|process| process.runs())
}

fn noted(layout: &Layout, name: &str) -> Option<Process> {
    let noted = std::fs::read_to_string(layout.pid(name)).ok()?;
    let (id, started) = noted.trim().split_once(' ')?;
    Some(Process { id: id.parse().ok()?, started: started.parse().ok()? })
}

/// The names of everything that was started, whether it runs or not.
pub(super) fn names(layout: &Layout) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(layout.pid("")) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".new")).collect();
    names.sort();
    names
}

impl Process {
    /// The process that has this id now.
    fn of(id: u32) -> Option<(Self, char)> {
        parse(id, &std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// Whether it is there and has not ended: one whose end nobody has asked for yet has.
    pub(super) fn runs(self) -> bool {
        Self::of(self.id).is_some_and(|(now, state)| now == self && !"ZX".contains(state))
    }

    /// Its id, for people.
    pub(super) fn id(self) -> u32 {
        self.id
    }

    /// Sends a signal, if it still is the same process.
    pub(super) fn signal(self, signal: &str) {
        if self.runs() {
            let kill = format!("kill -{signal} {}", self.id);
            // It may have ended since; who waits for its end sees whether it has.
            let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        }
    }

    /// Asks it to end, and ends it when it has not after `patience`.
    pub(super) fn end(self, patience: Duration) -> Result<(), String> {
        self.signal("TERM");
        let gone = || Ok(!self.runs());
        if until(patience, "", gone).is_err() {
            self.signal("KILL");
        }
        until(Duration::from_secs(10), &format!("the end of process {}", self.id), gone)
    }

    /// Everything in the network namespace of that name: what a node runs outside of pods.
    pub(super) fn in_network_of(namespace: &str) -> Vec<Self> {
        let Ok(theirs) = namespace_file(namespace).metadata() else { return Vec::new() };
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.flatten().filter_map(|it| it.file_name().to_string_lossy().parse().ok());
        let inside = |id: &u32| {
            let network = std::fs::metadata(format!("/proc/{id}/ns/net"));
            network.is_ok_and(|it| (it.dev(), it.ino()) == (theirs.dev(), theirs.ino()))
        };
        ids.filter(inside).filter_map(Self::of).map(|(process, _)| process).collect()
    }

    /// Everything in a cgroup, without what is in those below it.
    pub(super) fn in_cgroup(cgroup: &Path) -> Vec<Self> {
        let listed = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        let ids = listed.lines().filter_map(|line| line.parse().ok());
        ids.filter_map(Self::of).map(|(process, _)| process).collect()
    }
}

/// `/proc/ID/stat`: the name of the program may hold blanks and brackets, so it is counted from
/// the last bracket on.
fn parse(id: u32, stat: &str) -> Option<(Process, char)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    Some((Process { id, started: fields.get(19)?.parse().ok()? }, state))
}

/// Waits until it is so; says what was waited for when it is not in time.
pub(super) fn until(
    patience: Duration,
    what: &str,
    is_so: impl Fn() -> Result<bool, String>,
) -> Result<(), String> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let last = is_so();
        if last == Ok(true) {
            return Ok(());
        }
        if began.elapsed() >= patience {
            let detail = last.err().map_or_else(String::new, |reason| format!("\n{reason}"));
            return Err(format!("{what} did not come in {} s{detail}", patience.as_secs()));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Waits until a command succeeds; what it said last is in the error.
pub(super) fn until_succeeds(
    patience: Duration,
    what: &str,
    command: impl Fn() -> Command,
) -> Result<(), String> {
    until(patience, what, || shell::output(&mut command()).map(|_| true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_program_is_called() {
        let fields = (4..=21).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = format!("7 (a ) b) S {fields} 1234 99");
        assert_eq!(parse(7, &stat), Some((Process { id: 7, started: 1234 }, 'S')));
        assert_eq!(parse(7, "7 (a) S 1 2"), None);
    }

    #[test]
    fn a_process_of_the_same_id_that_started_at_another_time_is_another() {
        let (own, _) = Process::of(std::process::id()).unwrap();
        assert!(own.runs());
        assert!(!Process { started: own.started + 1, ..own }.runs());
    }

    #[test]
    fn what_does_not_come_is_named_with_the_last_reason() {
        let late = until(Duration::ZERO, "the registry", || Err("refused".to_owned()));
        assert_eq!(late.unwrap_err(), "the registry did not come in 0 s\nrefused");
    }
}
