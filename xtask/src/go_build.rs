//! Programs that are built from Go modules of ours, and kept under the checksum of everything that they are
//! made of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::parts;
use crate::shell::{self, fault, remove, write};

/// What is built into one folder.
pub(crate) struct Build {
    /// What its folder is called, before the checksum.
    pub name: String,
    /// What is being built, and how long that takes: for people who wait for it.
    pub what: String,
    /// Below `xtask`.
    pub sources: String,
    /// Everything that the programs are made of, apart from Go itself.
    pub files: &'static [&'static str],
    pub modules: &'static [Module],
    /// For the linker.
    pub flags: String,
}

/// A Go module and what is built of it.
pub(crate) struct Module {
    /// Below the sources.
    pub folder: &'static str,
    pub packages: &'static [&'static str],
}

/// Programs that are built and whole.
pub(crate) struct Built {
    pub folder: PathBuf,
    /// What they were made of.
    pub checksum: String,
}

impl Build {
    /// The programs, built if they are nowhere yet.
    pub(crate) fn ready(&self) -> Result<Built, String> {
        let go = parts::go(&self.sources())?;
        let checksum = self.checksum(&go)?;
        let name = format!("{}-{}", self.name, &checksum[..16]);
        let places = [cache()?, Some(parts::folder())].into_iter().flatten();
        let places: Vec<_> = places.map(|place| place.join(&name)).collect();
        let folder = match places.iter().find(|folder| is_whole(folder)) {
            Some(folder) => folder.clone(),
            None => self.build(&go, &places[0])?,
        };
        Ok(Built { folder, checksum })
    }

    fn sources(&self) -> PathBuf {
        shell::root().join("xtask").join(&self.sources)
    }

    /// SHA-256 of everything that the programs are made of.
    fn checksum(&self, go: &Path) -> Result<String, String> {
        let mut ask = Command::new(go);
        let go = shell::output(ask.current_dir(self.sources()).args([
            "env",
            "GOVERSION",
            "GOOS",
            "GOARCH",
        ]))?;
        let mut made_of = format!("{}\n{}\n", String::from_utf8_lossy(&go), self.flags);
        for source in self.files {
            made_of += &format!("{source}\n{}\n", read(&format!("{}/{source}", self.sources))?);
        }
        Ok(Sha256::digest(made_of).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Builds in a folder beside, which takes its name only when everything is in it.
    fn build(&self, go: &Path, folder: &Path) -> Result<PathBuf, String> {
        let began = Instant::now();
        eprintln!("building {}", self.what);
        clear_broken_off(folder)?;
        // A version in the folder's name has dots too.
        let work = format!("{}.{BUILDING}{}", folder.display(), std::process::id());
        let work = PathBuf::from(work);
        let scratch = work.join("scratch");
        std::fs::create_dir_all(&scratch).map_err(|error| fault(&scratch, &error))?;
        for module in self.modules {
            // Who is killed while it builds leaves no compiler behind.
            let mut build = Command::new("setpriv");
            build.args(["--pdeathsig", "KILL", "--"]).arg(go);
            build.current_dir(self.sources().join(module.folder));
            build.envs([("CGO_ENABLED", "0"), ("GOWORK", "off")]).env("GOTMPDIR", &scratch);
            build.args(["build", "-trimpath", "-ldflags", &self.flags, "-o"]).arg(&work);
            shell::run(build.args(module.packages)).map_err(|reason| {
                format!("{reason}\n{}: not all programs could be built", work.display())
            })?;
        }
        remove(&scratch)?;
        write(&work.join(FINISHED), inventory(&work)?)?;
        remove(folder)?;
        std::fs::rename(&work, folder).map_err(|error| fault(folder, &error))?;
        eprintln!("built in {:.0} s: {}", began.elapsed().as_secs_f64(), folder.display());
        Ok(folder.to_path_buf())
    }
}

/// A file below `xtask`.
pub(crate) fn read(file: &str) -> Result<String, String> {
    let path = shell::root().join("xtask").join(file);
    std::fs::read_to_string(&path).map_err(|error| fault(&path, &error))
}

/// A folder that outlives this checkout, for machines that have one.
fn cache() -> Result<Option<PathBuf>, String> {
    let named = std::env::var_os("VAULTYARD_CACHE").filter(|named| !named.is_empty());
    let absolute = named.map(std::path::absolute).transpose();
    absolute.map_err(|error| format!("VAULTYARD_CACHE: {error}"))
}

/// The file that is written last, with the name and length of each program.
const FINISHED: &str = "finished";

/// Whether a build was finished and still is what it was: a copied or cut off one is built anew.
fn is_whole(folder: &Path) -> bool {
    let noted = std::fs::read_to_string(folder.join(FINISHED));
    noted.is_ok_and(|noted| inventory(folder).is_ok_and(|now| now == noted))
}

/// Name and length of everything in the folder, the note itself aside.
fn inventory(folder: &Path) -> Result<String, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| fault(folder, &error))?;
    let mut lines = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| fault(folder, &error))?;
        let length = entry.metadata().map_err(|error| fault(&entry.path(), &error))?.len();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != FINISHED {
            lines.push(format!("{name} {length}\n"));
        }
    }
    lines.sort();
    Ok(lines.concat())
}

/// The ending of a folder in which is built, before the id of the process that does.
const BUILDING: &str = "building-";

/// Removes what builds have left that were broken off.
fn clear_broken_off(folder: &Path) -> Result<(), String> {
    let Some(beside) = folder.parent() else { return Ok(()) };
    for entry in std::fs::read_dir(beside).into_iter().flatten().flatten() {
        let path = entry.path();
        let ending = path.extension().map(|it| it.to_string_lossy().into_owned());
        let builder = ending.as_deref().and_then(|ending| ending.strip_prefix(BUILDING));
        if builder.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_build_is_not_whole() {
        let folder =
            std::env::temp_dir().join(format!("vaultyard-programs-{}", std::process::id()));
        write(&folder.join("kubelet"), "program").unwrap();
        assert!(!is_whole(&folder), "without its note");
        write(&folder.join(FINISHED), inventory(&folder).unwrap()).unwrap();
        assert!(is_whole(&folder));
        write(&folder.join("kubelet"), "progr").unwrap();
        assert!(!is_whole(&folder), "with a program that was cut off");
        remove(&folder).unwrap();
    }
}
