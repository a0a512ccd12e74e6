//! `status --watch`: on a terminal a picture that follows the cluster, elsewhere one document for
//! each change.

mod picture;
mod screen;
mod seen;
#[cfg(test)]
mod tests;

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use vaultyard_model::port::clock::Clock;

use crate::arguments::Format;
use crate::control::wire::Status;
use crate::failure::{Failure, failed};
use crate::output;
use crate::source::Source;
use crate::system::SystemClock;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Follows the status: on a terminal until the person leaves, elsewhere until it cannot be asked
/// any more or nobody reads.
pub(crate) async fn run(source: &Source, format: Format) -> Result<ExitCode, Failure> {
    if format == Format::Table && can_draw() {
        screen::show(source).await
    } else {
        documents(source, format).await
    }
}

/// Whether standard output is a terminal that a picture can be drawn on.
fn can_draw() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    std::io::stdout().is_terminal() && !dumb
}

async fn documents(source: &Source, format: Format) -> Result<ExitCode, Failure> {
    let mut last = None;
    loop {
        let status = source.status().await?;
        let substance = substance(&status);
        if last.as_ref() != Some(&substance) {
            let text = document(format, &status, SystemClock.now())?;
            match std::io::stdout().lock().write_all(text.as_bytes()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                written => written.map_err(failed)?,
            }
            last = Some(substance);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The status without what changes while nothing happens: the times of success.
fn substance(status: &Status) -> Status {
    let mut status = status.clone();
    for controller in &mut status.controllers {
        controller.last_success = None;
    }
    status
}

/// One status in a stream of them: JSON on one line, YAML behind a separator.
fn document(format: Format, status: &Status, now: Timestamp) -> Result<String, Failure> {
    Ok(match format {
        Format::Table => output::status::show(status, now) + "\n",
        Format::Json => serde_json::to_string(status).map_err(failed)? + "\n",
        Format::Yaml => {
            let text = serde_saphyr::to_string(status).map_err(failed)?;
            format!("---\n{}\n", text.trim_end())
        }
    })
}
