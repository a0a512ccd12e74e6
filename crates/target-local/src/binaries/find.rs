//! Looks for the server's program, and asks each candidate which version it is.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use vaultyard_model::{Software, Version};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is looked for, and where.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which software.
    pub software: Software,
    /// Which version, exactly.
    pub version: &'a Version,
    /// `spec.servers.binary`: when there is one, it must be it.
    pub named: Option<&'a Path>,
    /// The folder of fetched programs.
    pub binaries: &'a Path,
    /// The value of `PATH`.
    pub search_path: Option<&'a OsStr>,
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// The program.
    Program {
        /// Its path.
        path: PathBuf,
        /// How it was found.
        origin: Origin,
    },
    /// None; these were looked at.
    Nothing {
        /// Programs that are not the one.
        passed_over: Vec<Unfit>,
    },
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The document names it.
    Named,
    /// It was fetched.
    Fetched,
    /// It lies on `PATH`.
    SearchPath,
}

/// Why a program is not the one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not there, or not executable.
    #[error("{} cannot be executed: {why}", path.display())]
    NotExecutable {
        /// The program.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// It does not say which version it is.
    #[error("{} is no {wanted}: asked for its version it said {said:?}", path.display())]
    Silent {
        /// The program.
        path: PathBuf,
        /// Which software it should be.
        wanted: Software,
        /// What it said, at most one line.
        said: String,
    },
    /// It is something else.
    #[error("{} is {found_software} {found_version}, not {software} {version}", path.display())]
    Other {
        /// The program.
        path: PathBuf,
        /// What it is.
        found_software: Software,
        /// Which version of it.
        found_version: Version,
        /// What it should be.
        software: Software,
        /// Which version of it.
        version: Version,
    },
}

/// Looks in this order: the document's program, the fetched one, `PATH`.
///
/// # Errors
/// [`Unfit`] when the document names a program that is not the one.
pub async fn find(wanted: &Wanted<'_>) -> Result<Found, Unfit> {
    if let Some(path) = wanted.named {
        ask(path, wanted).await?;
        return Ok(Found::Program { path: path.to_owned(), origin: Origin::Named });
    }
    let fetched = fetched(wanted.binaries, wanted.software, wanted.version);
    let mut candidates = vec![(fetched, Origin::Fetched)];
    let folders = wanted.search_path.map(std::env::split_paths).into_iter().flatten();
    // A relative entry of PATH would mean something else in a server's working directory.
    candidates.extend(
        folders
            .filter(|folder| folder.is_absolute())
            .map(|folder| (folder.join(wanted.software.program()), Origin::SearchPath)),
    );
    let mut passed_over = Vec::new();
    for (path, origin) in candidates.into_iter().filter(|(path, _)| is_executable(path)) {
        match ask(&path, wanted).await {
            Ok(()) => return Ok(Found::Program { path, origin }),
            Err(unfit) => passed_over.push(unfit),
        }
    }
    Ok(Found::Nothing { passed_over })
}

/// Where a fetched program lies.
pub(super) fn fetched(binaries: &Path, software: Software, version: &Version) -> PathBuf {
    binaries.join(version.to_string()).join(software.program())
}

/// Whether somebody may execute the file.
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

async fn ask(path: &Path, wanted: &Wanted<'_>) -> Result<(), Unfit> {
    let not_executable = |why: String| Unfit::NotExecutable { path: path.to_owned(), why };
    let output = tokio::time::timeout(PATIENCE, version_output(path))
        .await
        .map_err(|_| not_executable(format!("no answer in {} s", PATIENCE.as_secs())))?
        .map_err(|error| not_executable(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match parse(&said) {
        Some((software, version)) if software == wanted.software && version == *wanted.version => {
            Ok(())
        }
        Some((found_software, found_version)) => Err(Unfit::Other {
            path: path.to_owned(),
            found_software,
            found_version,
            software: wanted.software,
            version: wanted.version.clone(),
        }),
        None => {
            let errors = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().chain(errors.lines()).next().unwrap_or_default();
            Err(Unfit::Silent {
                path: path.to_owned(),
                wanted: wanted.software,
                said: line.chars().take(120).collect(),
            })
        }
    }
}

/// A program that has just been written can be busy for a moment: a child that is being started
/// elsewhere in this program holds a copy of the writer's descriptor.
async fn version_output(path: &Path) -> io::Result<Output> {
    loop {
        let output = Command::new(path)
            .arg("version")
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        match output {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other => return other,
        }
    }
}

/// Reads `OpenBao v2.7.2 (9e0a…), committed …` and `Vault v1.21.1 (…), built …`.
fn parse(said: &str) -> Option<(Software, Version)> {
    let mut words = said.split_whitespace();
    let software = match words.next()? {
        "OpenBao" => Software::OpenBao,
        "Vault" => Software::Vault,
        _ => return None,
    };
    // Vault goes on after a comma when it does not know its commit.
    Some((software, Version::new(words.next()?.trim_end_matches(',')).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_say_their_version() {
        let version = |text| Version::new(text).unwrap();
        assert_eq!(
            parse("OpenBao v2.7.2 (9e0a0d3c), committed 2026-10-26T20:32:27Z\n"),
            Some((Software::OpenBao, version("2.7.2")))
        );
        assert_eq!(
            parse("Vault v1.21.1 ('2453aac'), built 2025-11-18\n"),
            Some((Software::Vault, version("1.21.1")))
        );
        assert_eq!(
            parse("Vault v1.21.0, built 2025-11-18T13:55:23Z\n"),
            Some((Software::Vault, version("1.21.0")))
        );
        assert_eq!(parse("GNU bash, version 5.2"), None);
        assert_eq!(parse(""), None);
    }

    /// A program on `PATH` that prints this when it is asked anything.
    fn program(folder: &Path, says: &str) {
        let path = folder.join("bao");
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    async fn search(binaries: &Path, path: &str, named: Option<&Path>) -> Result<Found, Unfit> {
        let version = Version::new("2.7.2").unwrap();
        find(&Wanted {
            software: Software::OpenBao,
            version: &version,
            named,
            binaries,
            search_path: Some(OsStr::new(path)),
        })
        .await
    }

    #[tokio::test]
    async fn a_wrong_program_on_the_path_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for path in [&old, &new] {
            std::fs::create_dir(path).unwrap();
        }
        program(&old, "OpenBao v2.6.2 (x)");
        program(&new, "OpenBao v2.7.2 (x)");
        let path = format!("relative:{}:{}", old.display(), new.display());
        let Ok(Found::Program { path, origin }) = search(folder.path(), &path, None).await else {
            panic!("not found");
        };
        assert_eq!((path, origin), (new.join("bao"), Origin::SearchPath));
        let only = old.display().to_string();
        let Ok(Found::Nothing { passed_over }) = search(folder.path(), &only, None).await else {
            panic!("found");
        };
        let why = passed_over[0].to_string();
        assert!(why.ends_with("old/bao is openbao 2.6.2, not openbao 2.7.2"), "{why}");
    }

    #[tokio::test]
    async fn a_named_program_must_be_the_one() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("bao");
        let missing = search(folder.path(), "", Some(&named)).await.unwrap_err();
        assert!(matches!(missing, Unfit::NotExecutable { .. }));
        program(folder.path(), "hello");
        let other = search(folder.path(), "", Some(&named)).await.unwrap_err().to_string();
        assert!(
            other.ends_with(r#"is no openbao: asked for its version it said "hello""#),
            "{other}"
        );
        program(folder.path(), "OpenBao v2.7.2 (x)");
        search(folder.path(), "", Some(&named)).await.unwrap();
    }
}
