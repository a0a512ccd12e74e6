//! The programs that images hold. An image from nothing has no libraries, so each of them must be
//! static, or bring its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::builds;
use crate::shell::{self, fault};

/// Builds the binary for an image and says where it is. The one that people get is the released one;
/// the one with fault points is for tests, which are changed and built often.
pub(super) fn vaultyard(with_faults: bool) -> Result<PathBuf, String> {
    let (mut build, kind) = match with_faults {
        true => (builds::cargo(), ["--features", "fault-injection"].as_slice()),
        false => (shell::cargo(), ["--release"].as_slice()),
    };
    build.args(["rustc", "--package", "vaultyard-cli", "--bin", "vaultyard"]).args(kind);
    build.args(["--message-format", "json-render-diagnostics"]);
    // To be static is a matter of the last step, for which alone these words are: libraries, build
    // scripts and procedural macros are those of every other build.
    build.args(["--", "-C", "target-feature=+crt-static", "-C", "strip=debuginfo"]);
    // What it says to people goes to them; what it says to programs is of no use in an error.
    let done = build.stderr(Stdio::inherit()).output();
    let done = done.map_err(|error| format!("cannot start cargo: {error}"))?;
    if !done.status.success() {
        return Err("vaultyard cannot be built for an image: cargo says above why".to_owned());
    }
    let built =
        builds::executable(&done.stdout).ok_or("cargo does not say where it built vaultyard")?;
    demand_static(&built)?;
    Ok(built)
}

/// Builds `pause` into `folder` and says where it is.
pub(super) fn pause(folder: &Path) -> Result<PathBuf, String> {
    let built = folder.join("pause");
    std::fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-Os", "-s", "-Wall", "-Werror", "-o"]).arg(&built);
    shell::output(compiler.arg(shell::root().join("xtask/src/image/pause.c")))?;
    demand_static(&built)?;
    Ok(built)
}

/// Refuses a program that would look for libraries.
pub(super) fn demand_static(program: &Path) -> Result<(), String> {
    // It ends with a fault where there is nothing to load, so its words are read instead.
    let asked = Command::new("ldd").arg(program).env("LC_ALL", "C").output();
    let asked = asked.map_err(|error| format!("cannot start ldd: {error}"))?;
    let said = String::from_utf8_lossy(&[asked.stdout, asked.stderr].concat()).into_owned();
    if is_static(&said) {
        return Ok(());
    }
    Err(format!(
        "{} is not static, and an image from nothing has no libraries: build it for static \
         linking. ldd says:\n{said}",
        program.display()
    ))
}

/// Where libraries lie in an image, without a slash at either end.
pub(super) const LIBRARIES: &str = "lib/own";

/// A library that a program loads, or what loads it.
#[derive(Debug, PartialEq)]
pub(super) struct Library {
    /// On this machine.
    pub(super) file: PathBuf,
    /// In the image, without a slash at the beginning.
    pub(super) place: String,
}

/// What a program needs that is not static: from the folder where its packages are unpacked, and
/// from this machine.
pub(super) fn libraries(program: &Path, packages: &Path) -> Result<Vec<Library>, String> {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|it| packages.join(it).join(&triplet));
    let folders = folders.map(|folder| folder.display().to_string()).join(":");
    let mut ldd = Command::new("ldd");
    let said = shell::output(ldd.arg(program).env("LC_ALL", "C").env("LD_LIBRARY_PATH", folders))?;
    libraries_in(&String::from_utf8_lossy(&said))
        .map_err(|library| format!("{}: {library} is not found", program.display()))
}

/// The libraries that `ldd` names, or the first that it does not find.
fn libraries_in(said: &str) -> Result<Vec<Library>, String> {
    let mut all = Vec::new();
    for line in said.lines() {
        let line = line.trim();
        let path = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        match line.split_once(" => ") {
            Some((name, "not found")) => return Err(name.to_owned()),
            Some((name, file)) => {
                all.push(Library { file: path(file).into(), place: format!("{LIBRARIES}/{name}") })
            }
            // What loads the others stands in the program by its whole path.
            None if line.starts_with('/') => all.push(Library {
                file: path(line).into(),
                place: path(line).trim_start_matches('/').to_owned(),
            }),
            // The kernel's own.
            None => {}
        }
    }
    Ok(all)
}

/// Whether what `ldd` says about a program means that it needs no library.
fn is_static(said: &str) -> bool {
    ["statically linked", "not a dynamic executable"].contains(&said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_static_only_if_ldd_finds_nothing_to_load() {
        assert!(is_static("\tstatically linked\n"));
        assert!(is_static("\tnot a dynamic executable\n"));
        assert!(!is_static("\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n"));
        assert!(!is_static("ldd: ./gone: No such file or directory\n"));
    }

    #[test]
    fn libraries_keep_the_names_by_which_they_are_looked_for() {
        let said = "\tlinux-vdso.so.1 (0x1)\n\tlibz.so.1 => /usr/lib/libz.so.1 (0x2)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let library =
            |file: &str, place: &str| Library { file: file.into(), place: place.to_owned() };
        let expected = [
            library("/usr/lib/libz.so.1", "lib/own/libz.so.1"),
            library("/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
        ];
        assert_eq!(libraries_in(said).unwrap(), expected);
        let missing = libraries_in("\tlibpcre2-8.so.0 => not found\n");
        assert_eq!(missing, Err("libpcre2-8.so.0".to_owned()));
    }
}
