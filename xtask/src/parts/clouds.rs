//! What stands in for clouds: emulators of other people, from their own packages. Versions and checksums
//! are pinned by `xtask/clouds`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::{PIP, folder, go};
use crate::shell::{self, fault};

const FAKE_GCS_SERVER: &str = "github.com/fsouza/fake-gcs-server";
/// The versions in `xtask/clouds`, as the tests name the folders.
const FAKE_GCS_FOLDER: &str = "fake-gcs-server-1.56.1";
const MOTO_FOLDER: &str = "moto-5.2.5";

/// The file beside what was made that says what it was made from.
const ORIGIN: &str = "origin";

/// Builds and fetches what is not there yet.
pub(super) fn fetch() -> Result<(), String> {
    made_from(FAKE_GCS_FOLDER, &["go.mod", "go.sum"], build_fake_gcs_server)?;
    made_from(MOTO_FOLDER, &["requirements.txt"], fetch_moto)
}

/// Makes the folder `name` unless it was made from just these files of `xtask/clouds`.
fn made_from(
    name: &str,
    files: &[&str],
    make: fn(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let read = |file: &&str| {
        let path = pins().join(file);
        std::fs::read_to_string(&path).map_err(|error| fault(&path, &error))
    };
    let origin = files.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat();
    let home = folder().join(name);
    let noted = home.join(ORIGIN);
    if std::fs::read_to_string(&noted).is_ok_and(|noted| noted == origin) {
        return Ok(());
    }
    let work = folder().join(format!(".{name}-{}", std::process::id()));
    let settle = |()| {
        if home.exists() {
            std::fs::remove_dir_all(&home).map_err(|error| fault(&home, &error))?;
        }
        std::fs::rename(&work, &home).map_err(|error| fault(&home, &error))?;
        // Last, so that a folder without it is never taken for whole.
        std::fs::write(&noted, &origin).map_err(|error| fault(&noted, &error))
    };
    std::fs::create_dir_all(&work).map_err(|error| fault(&work, &error))?;
    let done = make(&work).and_then(settle);
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(|error| fault(&work, &error))?;
    }
    done
}

fn pins() -> PathBuf {
    shell::root().join("xtask/clouds")
}

fn build_fake_gcs_server(work: &Path) -> Result<(), String> {
    eprintln!("building {FAKE_GCS_FOLDER}, an emulator of Google Cloud Storage");
    let mut build = Command::new(go(&pins())?);
    build.current_dir(pins()).args([
        "build",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-o",
    ]);
    shell::output(build.arg(work.join("fake-gcs-server")).arg(FAKE_GCS_SERVER)).map(drop)
}

fn fetch_moto(work: &Path) -> Result<(), String> {
    PIP.install()?;
    eprintln!("fetching {MOTO_FOLDER}, an emulator of AWS, from PyPI");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--require-hashes", "--requirement"]);
    pip.arg(pins().join("requirements.txt"));
    shell::output(pip.arg("--target").arg(work)).map(drop)
}
