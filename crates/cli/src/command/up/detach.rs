//! `vaultyard up --detach`: the same `up` in a session of its own, and a watch until it is ready.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::arguments::Common;
use crate::control::client::Control;
use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::stops::Stops;
use crate::{local, system};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// The word of the command line by which the process that goes on is known.
const IN_BACKGROUND: &str = "--in-background";

pub(super) fn run(common: &Common) -> Result<ExitCode, Failure> {
    let folder = local::state::folder(common)?;
    let mut words = tempfile::tempfile().map_err(failed)?;
    let mut background = start(&words)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let seen = crate::command::wait(watch(&mut background, &folder, &progress));
    progress.end();
    let seen = seen?;
    if seen != Seen::Ready || !common.quiet {
        tell(&mut words)?;
    }
    let pid = background.id();
    match seen {
        Seen::Ready if !common.quiet => {
            eprintln!("It goes on in the background as process {pid}; `vaultyard down` stops it.");
            Ok(ExitCode::SUCCESS)
        }
        Seen::Ready => Ok(ExitCode::SUCCESS),
        Seen::Late => {
            let late = format!("it serves without being ready, in the background as process {pid}");
            Err(Failure::text(Kind::NotInTime, late)
                .hint("`vaultyard why` says what it lacks; `vaultyard down` stops it"))
        }
        Seen::Ended(code) => Ok(ExitCode::from(code)),
    }
}

/// What became of the process in the background.
#[derive(PartialEq)]
enum Seen {
    /// Its cluster is ready.
    Ready,
    /// Its cluster serves, and was not ready in time.
    Late,
    /// It has ended with this exit code.
    Ended(u8),
}

/// The same command line, but for this one word. What it says until it is ready is kept in a file
/// without a name, so that it can be told.
fn start(words: &File) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(failed)?;
    let arguments = std::env::args_os().skip(1);
    let arguments =
        arguments.map(|word| if word == "--detach" { IN_BACKGROUND.into() } else { word });
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(words.try_clone().map_err(failed)?);
    command.spawn().map_err(failed)
}

/// In the process that goes on: leaves the terminal and its signals.
pub(crate) fn leave_the_terminal() -> Result<(), Failure> {
    rustix::process::setsid().map(drop).map_err(failed)
}

/// In the process that goes on, once it is ready: nobody reads its words any more.
pub(crate) fn fall_silent() {
    // Where this fails, the words go on into a file that vanishes with the process.
    if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
        rustix::stdio::dup2_stderr(&nowhere).ok();
    }
}

/// Waits until it is ready, is late, or has ended. Who does not want to wait any
/// longer does not want the cluster.
async fn watch(
    background: &mut Child,
    folder: &Path,
    progress: &Progress,
) -> Result<Seen, Failure> {
    let control = Control::new(folder, &folder.join("control.sock")).of(background.id());
    let mut stops = Stops::listen()?;
    loop {
        if let Some(status) = background.try_wait().map_err(failed)? {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Ok(Seen::Ended(code));
        }
        if let Ok(status) = control.status().await {
            progress.waiting(&status.reason);
            match status.phase.as_str() {
                "Ready" => return Ok(Seen::Ready),
                "Degraded" => return Ok(Seen::Late),
                _ => {}
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stops.next() => ask_to_stop(background),
        }
    }
}

fn ask_to_stop(background: &Child) {
    let pid = i32::try_from(background.id()).ok().and_then(Pid::from_raw);
    // It may have ended at this moment; then its exit code tells.
    pid.map(|pid| kill_process(pid, Signal::TERM).ok());
}

fn tell(words: &mut File) -> Result<(), Failure> {
    let mut text = String::new();
    words.seek(SeekFrom::Start(0)).map_err(failed)?;
    words.read_to_string(&mut text).map_err(failed)?;
    eprint!("{text}");
    Ok(())
}
