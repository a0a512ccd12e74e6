//! What can be fetched and what was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use vaultyard_durable as durable;
use vaultyard_model::{Software, Version};

use super::find::fetched;
use super::known::versions;
use super::{CHECKSUM_FILE, sha256};

/// A version that can be fetched, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which software.
    pub software: Software,
    /// Which version.
    pub version: Version,
    /// Whether it can be fetched.
    pub known: bool,
    /// Where it is.
    pub present: Option<Present>,
}

/// A program that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Its path.
    pub path: PathBuf,
    /// Whether it is as it was fetched.
    pub intact: bool,
}

/// Lists all versions, newest first. Reads every program once to compare checksums.
///
/// # Errors
/// The file system's.
pub fn list(binaries: &Path, architecture: &str) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for software in [Software::OpenBao, Software::Vault] {
        let known: BTreeSet<Version> = versions(software, architecture)
            .into_iter()
            .filter_map(|version| Version::new(version).ok())
            .collect();
        let all: BTreeSet<Version> =
            known.iter().cloned().chain(present_versions(binaries, software)?).collect();
        for version in all.into_iter().rev() {
            let known = known.contains(&version);
            let present = present(fetched(binaries, software, &version))?;
            listed.push(Listed { software, version, known, present });
        }
    }
    Ok(listed)
}

fn present_versions(binaries: &Path, software: Software) -> io::Result<Vec<Version>> {
    let entries = match fs::read_dir(binaries) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let version = name.to_str().and_then(|name| Version::new(name).ok());
        found.extend(version.filter(|version| fetched(binaries, software, version).is_file()));
    }
    Ok(found)
}

fn present(path: PathBuf) -> io::Result<Option<Present>> {
    if !path.is_file() {
        return Ok(None);
    }
    let beside = durable::read(&path.with_file_name(CHECKSUM_FILE))?.unwrap_or_default();
    let intact = String::from_utf8_lossy(&beside).trim() == sha256(&path)?;
    Ok(Some(Present { path, intact }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_changed_is_not_intact() {
        let binaries = tempfile::tempdir().unwrap();
        let folder = binaries.path().join("2.7.2");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("bao"), "").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
        fs::write(folder.join(CHECKSUM_FILE), empty).unwrap();
        let intact = || {
            let listed = list(binaries.path(), "x86_64").unwrap();
            assert_eq!(listed[0].version, Version::new("2.7.2").unwrap());
            assert!(listed[0].known && listed[1].present.is_none());
            listed[0].present.as_ref().unwrap().intact
        };
        assert!(intact());
        fs::write(folder.join("bao"), "changed").unwrap();
        assert!(!intact());
    }

    #[test]
    fn a_version_that_nobody_knows_is_listed_when_it_is_there() {
        let binaries = tempfile::tempdir().unwrap();
        fs::create_dir(binaries.path().join("9.9.9")).unwrap();
        fs::write(binaries.path().join("9.9.9/bao"), "").unwrap();
        let listed = list(binaries.path(), "x86_64").unwrap();
        assert_eq!((listed[0].version.to_string().as_str(), listed[0].known), ("9.9.9", false));
    }
}
