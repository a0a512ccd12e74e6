//! Debian's nginx, unpacked and not installed: an installed one would be started as a service.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::{debian, folder};
use crate::shell::{self, fault};

/// Where packages lie is the same on Debian and Ubuntu.
const PROGRAM: &str = "usr/sbin/nginx";

/// The folder with its packages unpacked, among them those libraries that this machine lacks.
pub(super) fn fetch() -> Result<PathBuf, String> {
    let home = folder().join("nginx");
    if home.join(PROGRAM).is_file() {
        return Ok(home);
    }
    eprintln!("fetching nginx with apt-get (it stands in for an ingress controller)");
    let work = folder().join(format!(".nginx-{}", std::process::id()));
    let unpacked = work.join("unpacked");
    let done = unpack(&work, &unpacked)
        .and_then(|()| std::fs::rename(&unpacked, &home).map_err(|error| fault(&home, &error)));
    let cleaned = std::fs::remove_dir_all(&work).map_err(|error| fault(&work, &error));
    done.and(cleaned).map(|()| home)
}

/// The program in the folder.
pub(super) fn program(home: &Path) -> PathBuf {
    home.join(PROGRAM)
}

fn unpack(work: &Path, unpacked: &Path) -> Result<(), String> {
    let archives = work.join("archives");
    // apt-get keeps there what it has not finished.
    let partial = archives.join("partial");
    std::fs::create_dir_all(&partial).map_err(|error| fault(&partial, &error))?;
    let place = format!("Dir::Cache::archives={}", archives.display());
    let words = ["--yes", "--no-install-recommends", "--download-only", "--reinstall", "nginx"];
    debian::apt(&["update"])?;
    debian::apt(&[&["install", "-o", &place], &words[..]].concat())?;
    for entry in std::fs::read_dir(&archives).map_err(|error| fault(&archives, &error))?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            shell::output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(unpacked))?;
        }
    }
    if unpacked.join(PROGRAM).is_file() {
        Ok(())
    } else {
        Err(format!("the package nginx of this system has no /{PROGRAM}"))
    }
}
