//! The ambient things that everything else takes as arguments: clock, randomness, environment.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use jiff::Timestamp;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_target_local::Spawner;

use crate::faults;

/// The wall clock of this machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + crate::faults::clock_error()
    }
}

/// The operating system's random bytes.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        getrandom::fill(bytes).map_err(|error| error.to_string())
    }
}

/// The home directory.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Where this program lies. The kernel marks a file that was replaced while it runs; what stands
/// there now is what the next call will start.
pub(crate) fn own_program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?;
    let text = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    Some(text.unwrap_or(path))
}

/// Has this program begin anew in the same process, as it was called. Returns only why that cannot be.
pub(crate) fn begin_anew() -> std::io::Error {
    let Some(program) = own_program() else { return std::io::ErrorKind::NotFound.into() };
    std::process::Command::new(program).args(std::env::args_os().skip(1)).exec()
}

/// A variable of the environment; `None` also when it is empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What starts servers. They are told what Go's runtime is told here.
pub(crate) fn spawner() -> std::io::Result<Spawner> {
    Ok(faults::spawner()?.with_environment(of_go()))
}

/// How many processors and how much memory a program in Go takes (its package "runtime", "Environment
/// Variables").
fn of_go() -> impl Iterator<Item = (OsString, OsString)> {
    // GODEBUG could have it write tokens into its log.
    let names = ["GOMAXPROCS", "GOMEMLIMIT", "GOGC"];
    names.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
}

/// The search path for programs.
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Where a local cluster keeps its state when nothing else is said (XDG Base Directory
/// Specification 0.8: `$XDG_STATE_HOME`, else `~/.local/state`).
pub(crate) fn default_state() -> Option<PathBuf> {
    let stated = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let base = stated.filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(home()?.join(".local/state")))?;
    Some(base.join("vaultyard"))
}

/// This port on all addresses of both families, or on those of IPv4 where there is no IPv6.
pub(crate) fn everywhere(port: u16) -> SocketAddr {
    match std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        Err(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

/// Descriptors that everything beside clients' connections may need: servers, files, sockets.
const RESERVED_DESCRIPTORS: u64 = 200;

/// How many clients' connections the limit on open files leaves room for. Raises the limit to what
/// the system allows first.
pub(crate) fn most_connections() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, the present one stands.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    files.saturating_sub(RESERVED_DESCRIPTORS).clamp(64, MOST_CONNECTIONS)
}

/// An idle connection costs about 23 KiB, so that this many cost less than 400 MiB.
const MOST_CONNECTIONS: u64 = 16_384;

/// Whether moving lines and colours are welcome on standard error.
pub(crate) fn fancy_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && colours_are_welcome()
}

/// Whether the person has not asked for plain text (<https://no-color.org>).
pub(crate) fn colours_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
