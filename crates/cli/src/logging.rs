//! Vaultyard's own log: a file in the state directory, and with `-v` standard error; in a pod always
//! standard error.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Above this size, in bytes, the log of earlier runs is set aside at a start.
const LONGEST: u64 = 16 << 20;

/// Begins to log. `verbose`: 0 nothing on standard error, 1 what is done, 2 and more why.
///
/// # Errors
/// The file system's, when the log cannot be opened.
pub(crate) fn start(verbose: u8, file: &Path) -> std::io::Result<()> {
    if std::fs::metadata(file).is_ok_and(|log| log.len() > LONGEST) {
        std::fs::rename(file, file.with_extension("log.1"))?;
    }
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    let to_file = fmt::layer()
        .json()
        .with_writer(std::sync::Mutex::new(log))
        .with_filter(ours(if verbose > 1 { LevelFilter::DEBUG } else { LevelFilter::INFO }));
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let to_terminal =
        fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(ours(level));
    // A second start in one program (tests) keeps the first log.
    Registry::default().with(to_file).with(to_terminal).try_init().ok();
    Ok(())
}

/// Begins to log in a pod, whose standard error is kept for it: one line of JSON each.
pub(crate) fn in_pod(verbose: u8) {
    let level = if verbose > 0 { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let lines = fmt::layer().json().with_writer(std::io::stderr).with_filter(ours(level));
    Registry::default().with(lines).try_init().ok();
}

/// Only what our own crates say at this level: what libraries say of a request may hold more than
/// a log should.
fn ours(level: LevelFilter) -> Targets {
    Targets::new().with_target("vaultyard", level)
}
