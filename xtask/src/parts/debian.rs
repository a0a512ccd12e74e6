//! Programs of Debian packages.

use std::process::Command;

use crate::parts::is_root;
use crate::shell;

/// A program of a Debian package.
pub(super) struct Debian {
    /// A command that succeeds where it is installed; its first word is what people call it.
    pub(super) probe: &'static [&'static str],
    pub(super) package: &'static str,
    /// What it is for, as the end of a sentence.
    pub(super) purpose: &'static str,
}

impl Debian {
    /// Installs the package, unless its program is there. Without root it says what to install.
    pub(super) fn install(&self) -> Result<(), String> {
        let Self { package, purpose, probe } = self;
        if self.is_there() {
            return Ok(());
        }
        if !is_root() {
            return Err(format!(
                "{package} is missing ({purpose}): sudo apt-get install {package}"
            ));
        }
        eprintln!("installing {package} with apt-get ({purpose})");
        apt(&["update"])
            .and_then(|()| apt(&["install", "--yes", "--no-install-recommends", package]))
            .map_err(|reason| {
                format!(
                    "{package} is missing ({purpose}) and apt-get does not install it. On a system \
                     without apt-get, install by its own means what makes this work: {}\n{reason}",
                    probe.join(" ")
                )
            })?;
        if self.is_there() {
            Ok(())
        } else {
            Err(format!("{package} was installed, and still does not work: {}", probe.join(" ")))
        }
    }

    fn is_there(&self) -> bool {
        let [program, words @ ..] = self.probe else { return false };
        shell::output(Command::new(program).args(words)).is_ok()
    }
}

/// `apt-get` with these words.
pub(super) fn apt(words: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-q"]).args(words);
    shell::output(&mut command).map(drop)
}
