//! `vaultyard up --detach`: the same `up` in a session of its own, and a watch until it is ready.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use crate::arguments::Common;
use crate::control::client::Control;
use crate::failure::{Failure, failed};
use crate::local;
use crate::progress::Progress;
use crate::system;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn run(common: &Common) -> Result<ExitCode, Failure> {
    let folder = local::state::folder(common)?;
    let mut words = tempfile::tempfile().map_err(failed)?;
    let mut background = start(&words)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let ready = super::super::wait(watch(&mut background, &folder, &progress));
    progress.end();
    match ready? {
        None => {
            if !common.quiet {
                tell(&mut words)?;
                let pid = background.id();
                eprintln!(
                    "It goes on in the background as process {pid}; `vaultyard down` stops it."
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(code) => {
            tell(&mut words)?;
            Ok(ExitCode::from(code))
        }
    }
}

/// The same command line without `--detach`, away from this terminal. What it says is kept in
/// a file without a name, so that it can be told when it ends early and never fills a disk's folder.
fn start(words: &File) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(failed)?;
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--detach");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words.try_clone().map_err(failed)?)
        .process_group(0);
    command.spawn().map_err(failed)
}

/// Waits until it is ready (`None`) or has ended (its exit code).
async fn watch(
    background: &mut Child,
    folder: &std::path::Path,
    progress: &Progress,
) -> Result<Option<u8>, Failure> {
    let control = Control::new(folder, &folder.join("control.sock"));
    loop {
        if let Some(status) = background.try_wait().map_err(failed)? {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Ok(Some(code));
        }
        if let Ok(status) = control.status().await {
            progress.waiting(&status.reason);
            if status.phase == "Ready" {
                return Ok(None);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(words: &mut File) -> Result<(), Failure> {
    let mut text = String::new();
    words.seek(SeekFrom::Start(0)).map_err(failed)?;
    words.read_to_string(&mut text).map_err(failed)?;
    eprint!("{text}");
    Ok(())
}
