//! The server's program: found before anything is written, or fetched.

use std::path::{Path, PathBuf};

use vaultyard_model::{Cluster, Software, Version};
use vaultyard_target_local::binaries::fetch::{self, Fetch, FetchError};
use vaultyard_target_local::binaries::find::{Found, Wanted, find};
use vaultyard_target_local::binaries::known;

use crate::failure::{Failure, Kind, bad_input, failed};
use crate::progress::Progress;
use crate::system;

/// A program that is here, or one that can be fetched.
pub(crate) enum Program {
    /// It is here.
    Here(PathBuf),
    /// It has to be fetched.
    Fetch,
}

/// Looks for the program; refuses a document whose version is neither here nor known.
pub(crate) async fn look(cluster: &Cluster, binaries: &Path) -> Result<Program, Failure> {
    let servers = &cluster.servers;
    let path = system::search_path();
    let wanted = Wanted {
        software: servers.software,
        version: &servers.version,
        named: servers.binary.as_deref(),
        binaries,
        search_path: Some(&path),
    };
    match find(&wanted).await.map_err(bad_input)? {
        Found::Program { path, .. } => Ok(Program::Here(path)),
        Found::Nothing { .. } if is_known(servers.software, &servers.version) => Ok(Program::Fetch),
        Found::Nothing { passed_over } => {
            let mut message = format!(
                "{} {} is not here and cannot be fetched",
                servers.software, servers.version
            );
            for unfit in passed_over {
                message.push_str(&format!("\n       {unfit}"));
            }
            let fetched = match known::versions(servers.software, std::env::consts::ARCH).as_slice()
            {
                // HashiCorp's licence lets nobody hand Vault on with something that competes with it.
                [] => format!("install {} of that version", servers.software.program()),
                versions => format!(
                    "set spec.servers.version to one that can be fetched ({})",
                    versions.join(", ")
                ),
            };
            let hint = format!("{fetched}, or name its program in spec.servers.binary");
            Err(Failure::text(Kind::BadInput, message).hint(hint))
        }
    }
}

fn is_known(software: Software, version: &Version) -> bool {
    known::package(software, version, std::env::consts::ARCH).is_some()
}

/// Fetches a version with progress; its path.
pub(crate) async fn fetch(
    software: Software,
    version: &Version,
    binaries: &Path,
    progress: &Progress,
) -> Result<PathBuf, Failure> {
    let path = system::search_path();
    let what = Fetch {
        software,
        version,
        architecture: std::env::consts::ARCH,
        binaries,
        search_path: Some(&path),
        pip_arguments: &[],
    };
    let name = format!("{software} {version}");
    progress.say(format!("  fetching {name}"));
    let mut show = |fetch::Progress { bytes, of }: fetch::Progress| {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        progress.waiting(format!("{name}: {} of {} MB", megabytes(bytes), megabytes(of)));
    };
    let fetched = fetch::fetch(&what, &mut show).await.map_err(|error| match error {
        FetchError::Unknown { .. } => bad_input(error),
        error => failed(error),
    })?;
    progress.done(format!("{name} is fetched and its checksum is right"));
    Ok(fetched)
}
