//! `vaultyard run`: a throw-away cluster around one command.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::arguments::{Address, Common, Run};
use crate::command::up::farewell;
use crate::failure::{Failure, Kind, failed};
use crate::local::assemble::{Assembly, assemble, stop};
use crate::local::prepare::{Site, not_begun, prepare};
use crate::local::run::{Outcome, until_ready};
use crate::progress::Progress;
use crate::stops::{Stop, Stops};
use crate::{local, logging, system};
use vaultyard_target_local::binaries::find::is_executable;

/// Added to a signal's number for the exit code of what it ended, as shells do.
const BY_SIGNAL: i32 = 128;

pub(super) async fn run(common: &Common, arguments: &Run) -> Result<ExitCode, Failure> {
    let [command, rest @ ..] = arguments.command.as_slice() else {
        return Err(Failure::text(Kind::BadInput, "there is no command to run"));
    };
    let program = find(command, &system::search_path())?;
    let document = match &arguments.file {
        Some(file) => local::document::from_file(file)?,
        None => local::document::built_in()?,
    };
    let folder = tempfile::Builder::new().prefix("vaultyard-").tempdir().map_err(failed)?;
    // Programs outlive the cluster that fetched them.
    let binaries = local::state::folder(common)?.join("binaries");
    let state = folder.path().join("state");
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.say(format!("{}, for the time of one command", document.headline()));
    let mut stops = Stops::listen()?;
    let site = Site { folder: &state, address: Some(Address::Auto), binaries };
    let prepared = tokio::select! {
        prepared = prepare(document, site, &progress) => prepared,
        _ = stops.next() => Err(not_begun()),
    };
    let (prepared, control) = prepared.inspect_err(|_| progress.end())?;
    logging::start(common.verbose, &prepared.state.paths().log()).map_err(failed)?;
    let mut assembly = assemble(prepared, control).await.inspect_err(|_| progress.end())?;
    let ended = around(&mut assembly, arguments, &program, rest, &progress, &mut stops).await;
    progress.resume();
    let at_once = tokio::select! {
        () = stop(assembly, &progress) => None,
        _ = stops.next() => Some(farewell::at_once()),
    };
    progress.end();
    // The folder and all in it go with this.
    folder.close().map_err(failed)?;
    at_once.map_or(ended, Err)
}

/// Waits for the cluster, then for the command.
async fn around(
    assembly: &mut Assembly,
    arguments: &Run,
    program: &Path,
    rest: &[OsString],
    progress: &Progress,
    stops: &mut Stops,
) -> Result<ExitCode, Failure> {
    let told = async {
        stops.next().await;
    };
    match until_ready(assembly, progress, arguments.timeout, told).await? {
        Outcome::Ready(_) => {}
        Outcome::Stop => {
            return Err(Failure::text(Kind::Interrupted, "stopped before the cluster was ready"));
        }
        Outcome::Late { reason, .. } => {
            let late = format!("not ready within {:?}: {reason}", arguments.timeout);
            return Err(Failure::text(Kind::NotInTime, late));
        }
    }
    progress.end();
    let known = assembly.prepared().known();
    let crate::local::login::LoggedIn { login, .. } = crate::local::login::log_in(&known).await?;
    let token = login.token.expose_text().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(rest).envs(super::env::variables(&known));
    // A token for one command of a cluster that lives no longer than it: what CI jobs read. Nothing
    // that the command calls may reach another cluster by mistake.
    command.env("BAO_TOKEN", token).env("VAULT_TOKEN", token);
    command.env("VAULTYARD_STATE", known.state.paths().root());
    command.env("PATH", with_server_program(&assembly.prepared().program));
    let mut child = command.spawn().map_err(failed)?;
    let status = tokio::select! {
        status = wait(&mut child, stops) => status?,
        failure = assembly.live() => {
            child.kill().await.map_err(failed)?;
            return Err(failure);
        }
    };
    Ok(exit_code(status))
}

/// Waits for the command, and passes on what asks to stop. Ctrl-C on a terminal has reached it
/// already; what it makes of that counts. Asked a second time, it is killed.
async fn wait(child: &mut Child, stops: &mut Stops) -> Result<ExitStatus, Failure> {
    let mut asked = false;
    loop {
        let stop = tokio::select! {
            status = child.wait() => return status.map_err(failed),
            stop = stops.next() => stop,
        };
        let signal = match stop {
            _ if asked => Some(Signal::KILL),
            Stop::Interrupt if std::io::stdin().is_terminal() => None,
            Stop::Interrupt => Some(Signal::INT),
            Stop::Terminate => Some(Signal::TERM),
            Stop::Hangup => Some(Signal::HUP),
        };
        asked = true;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let (Some(pid), Some(signal)) = (pid, signal) {
            // It may have ended at this moment; then its status tells.
            kill_process(pid, signal).ok();
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let by_signal = || status.signal().map(|signal| BY_SIGNAL + signal);
    let code = status.code().or_else(by_signal).and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

/// The command's program, so that one that does not exist is told before a cluster is made.
fn find(command: &OsStr, search_path: &OsStr) -> Result<PathBuf, Failure> {
    let named = Path::new(command);
    let mut candidates: Vec<PathBuf> = if named.components().count() > 1 {
        vec![named.to_owned()]
    } else {
        std::env::split_paths(search_path).map(|folder| folder.join(named)).collect()
    };
    candidates.retain(|path| is_executable(path));
    candidates.into_iter().next().ok_or_else(|| {
        Failure::text(Kind::BadInput, format!("there is no command {:?}", command.display()))
    })
}

fn with_server_program(program: &Path) -> OsString {
    let path = system::search_path();
    let folders = program.parent().map(Path::to_owned).into_iter();
    let all = std::env::split_paths(&path).chain(folders);
    // A folder with a colon in its name cannot stand in PATH; then it stays as it is.
    std::env::join_paths(all).unwrap_or(path)
}
