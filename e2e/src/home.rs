//! Where one cluster lives, and the commands that are given there.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::disk::Disk;
use crate::{Processes, addresses};

/// The file that says by how many seconds the clock is wrong.
const CLOCK: &str = "clock";
/// Between two looks whether a program has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// A state folder and a block of addresses of its own. Dropped, it ends what is left in it.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    address: Ipv4Addr,
    logs: AtomicU16,
    disks: RefCell<Vec<Disk>>,
    environment: Vec<(String, String)>,
}

/// Where Vaultyard is told to die as by `kill -9`.
#[derive(Debug, Clone)]
pub struct Faults {
    /// The name of a step and `/before` or `/after`.
    pub point: String,
    /// Whether the servers live on, as after a crash of Vaultyard alone.
    pub servers_live: bool,
}

/// What a finished command said.
#[derive(Debug)]
pub struct Said {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Home {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("vaultyard-e2e-").tempdir().unwrap();
        let (address, logs) = (addresses::free_block(), AtomicU16::new(0));
        Self { folder, address, logs, disks: RefCell::default(), environment: Vec::new() }
    }

    /// One whose commands find this in their environment too.
    #[must_use]
    pub fn with_environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.environment = environment;
        self
    }

    /// The folder that commands are given in; the state lies below it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where Vaultyard keeps everything.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// The proxy's address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// What runs here.
    #[must_use]
    pub fn processes(&self) -> Processes {
        Processes::of(self.folder())
    }

    /// A file for a test to hand in; gives its path.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Puts the OpenBao of this version where fetched ones are.
    ///
    /// # Panics
    /// When it is missing among the parts of the tests.
    #[track_caller]
    pub fn has_fetched(&self, version: &str) {
        self.has_binary(version, &openbao_of(version).join("bao"));
    }

    /// The same with a HashiCorp Vault.
    ///
    /// # Panics
    /// When it is missing among the parts of the tests.
    #[track_caller]
    pub fn has_vault(&self, version: &str) {
        let program = target().join(format!("test-parts/vault-{version}/vault"));
        assert!(program.is_file(), "Vault {version} is missing: run `cargo xtask parts`");
        self.has_binary(version, &program);
    }

    fn has_binary(&self, version: &str, program: &Path) {
        let folder = self.state().join("binaries").join(version);
        fs::create_dir_all(&folder).unwrap();
        let name = program.file_name().unwrap();
        std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
    }

    /// Makes Vaultyard's clock wrong by so many seconds. The servers' clock stays right.
    pub fn set_clock(&self, wrong_by: i64) {
        // Moved into place, so that nobody reads half a number.
        let new = self.write("clock.new", &wrong_by.to_string());
        fs::rename(new, self.folder().join(CLOCK)).unwrap();
    }

    /// Gives a folder of this home, with what is in it, a disk of its own, `mebibytes` in size.
    ///
    /// # Panics
    /// When nothing can be mounted: that takes root.
    #[track_caller]
    pub fn put_on_a_disk(&self, folder: &Path, mebibytes: u32) -> Disk {
        let disk = Disk::mount_over(folder, mebibytes);
        self.disks.borrow_mut().push(disk.clone());
        disk
    }

    /// Runs `vaultyard` with these words to its end.
    pub fn run(&self, words: &[&str]) -> Said {
        Said::of(self.vaultyard().args(words))
    }

    /// Runs a line of shell as the person in the other terminal would, who has `vaultyard` on his
    /// PATH.
    pub fn shell(&self, line: &str) -> Said {
        let mut shell = Command::new("sh");
        self.settle(&mut shell);
        Said::of(shell.args(["-e", "-c", line]))
    }

    /// The same in a terminal that knows nothing of this home but its path.
    pub fn new_terminal(&self, line: &str) -> Said {
        let mut shell = Command::new("sh");
        self.settle(&mut shell);
        Said::of(shell.env_remove("VAULTYARD_STATE").args(["-e", "-c", line]))
    }

    /// Starts `vaultyard up` in the foreground with these further words.
    pub fn up(&self, words: &[&str]) -> Up {
        self.start(words, None)
    }

    /// Starts `vaultyard up` so that it dies at a fault point.
    pub fn up_until(&self, faults: &Faults) -> Up {
        self.start(&[], Some(faults))
    }

    fn start(&self, words: &[&str], faults: Option<&Faults>) -> Up {
        let log =
            self.folder().join(format!("up-{}.log", self.logs.fetch_add(1, Ordering::Relaxed)));
        let talk = File::create(&log).unwrap();
        let mut command = self.vaultyard();
        command.arg("up").args(["--address", &self.address.to_string()]).args(words);
        if let Some(Faults { point, servers_live }) = faults {
            command.env("VAULTYARD_FAULT", point);
            command.env("VAULTYARD_FAULT_SERVERS", if *servers_live { "live" } else { "die" });
        }
        command.stdin(Stdio::null()).stdout(talk.try_clone().unwrap()).stderr(talk);
        Up { child: command.spawn().unwrap(), log }
    }

    fn vaultyard(&self) -> Command {
        let mut command = Command::new(binary());
        self.settle(&mut command);
        command
    }

    /// A working folder, a clean environment, and a PATH with the programs under test in front.
    fn settle(&self, command: &mut Command) {
        let program_folder = binary().parent().unwrap().to_path_buf();
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            [program_folder, openbao()].into_iter().chain(std::env::split_paths(&machine));
        command.env_clear().env("PATH", std::env::join_paths(folders).unwrap());
        command.env("HOME", self.folder()).env("VAULTYARD_STATE", self.state());
        command.env("VAULTYARD_FAULT_CLOCK", self.folder().join(CLOCK));
        // How sparing servers are with processors is for who runs the tests to say.
        let of_go = ["GOMAXPROCS", "GOGC"];
        command.envs(of_go.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().cloned()).current_dir(self.folder());
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.processes().sweep();
        // One may lie within one that was mounted before.
        self.disks.borrow().iter().rev().for_each(Disk::unmount);
        if std::thread::panicking() && std::env::var_os("VAULTYARD_E2E_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}", self.folder().display());
        }
    }
}

impl Said {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let done = command.stdin(Stdio::null()).output().unwrap();
        Self {
            code: done.status.code(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// The data of a command that must have succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }
}

/// A `vaultyard up` in the foreground. Dropped, it is killed, and its servers go with it.
#[derive(Debug)]
pub struct Up {
    child: Child,
    log: PathBuf,
}

impl Up {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// `kill -9` to Vaultyard alone.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.child.wait().unwrap()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not in this time.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "it goes on after {within:?}:\n{}", self.said());
            std::thread::sleep(PAUSE);
        }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).unwrap();
        // That it has ended already is seen by whoever waits for it.
        let _ = kill_process(id, signal);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    let named = std::env::var_os("VAULTYARD_BIN").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| target().join("debug/vaultyard"));
    let missing = || panic!("{} is missing: run `cargo xtask test`", binary.display());
    binary.canonicalize().unwrap_or_else(|_| missing())
}

/// The folder of the OpenBao that the tests run on.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn openbao() -> PathBuf {
    openbao_of("2.7.2")
}

fn openbao_of(version: &str) -> PathBuf {
    let folder = target().join(format!("test-parts/openbao-{version}"));
    assert!(folder.join("bao").is_file(), "OpenBao {version} is missing: run `cargo xtask parts`");
    folder
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target")
}
