//! The programs of the cluster, built from their modules in `xtask/kubernetes` and kept under the
//! checksum of everything that they are made of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::cluster::layout::{remove, write};
use crate::parts;
use crate::shell::{self, fault};

/// A Go module and what is built of it.
struct Module {
    /// Below `xtask/kubernetes`.
    folder: &'static str,
    packages: &'static [&'static str],
}

const MODULES: [Module; 2] = [
    Module {
        folder: ".",
        packages: &[
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubeadm",
            "k8s.io/kubernetes/cmd/kubectl",
            "k8s.io/kubernetes/cmd/kubelet",
        ],
    },
    Module { folder: "services", packages: &["./coredns", "github.com/fsouza/fake-gcs-server"] },
];

/// What the programs are made of, apart from Go itself.
const SOURCES: [&str; 5] =
    ["go.mod", "go.sum", "services/go.mod", "services/go.sum", "services/coredns/main.go"];

/// Programs that are built and whole.
#[derive(Debug, PartialEq)]
pub(super) struct Programs {
    pub folder: PathBuf,
    /// What they were made of.
    pub checksum: String,
    /// Of Kubernetes, like `v1.36.3`.
    pub version: String,
}

impl Programs {
    pub(super) fn path(&self, program: &str) -> String {
        self.folder.join(program).to_string_lossy().into_owned()
    }

    /// What is noted down of the programs that a cluster is made of.
    pub(super) fn note(&self) -> String {
        format!("{}\n{}\n{}\n", self.checksum, self.version, self.folder.display())
    }

    /// What `note` has noted.
    pub(super) fn noted(note: &str) -> Option<Self> {
        let lines: Vec<_> = note.lines().collect();
        let [checksum, version, folder] = *lines.as_slice() else { return None };
        let (checksum, version) = (checksum.to_owned(), version.to_owned());
        Some(Self { folder: folder.into(), checksum, version })
    }
}

/// The programs, built if they are nowhere yet.
pub(super) fn ready() -> Result<Programs, String> {
    let go = parts::go(&sources())?;
    let version = version(&read(&sources().join("go.mod"))?)?;
    let checksum = checksum(&go, &flags(&version))?;
    let name = format!("kubernetes-{}", &checksum[..16]);
    let places = [cache()?, Some(parts::folder())].into_iter().flatten();
    let places: Vec<_> = places.map(|place| place.join(&name)).collect();
    let folder = match places.iter().find(|folder| is_whole(folder)) {
        Some(folder) => folder.clone(),
        None => build(&go, &version, &places[0])?,
    };
    Ok(Programs { folder, checksum, version })
}

/// A folder that outlives this checkout, for machines that have one.
fn cache() -> Result<Option<PathBuf>, String> {
    let named = std::env::var_os("VAULTYARD_CACHE").filter(|named| !named.is_empty());
    let absolute = named.map(std::path::absolute).transpose();
    absolute.map_err(|error| format!("VAULTYARD_CACHE: {error}"))
}

fn sources() -> PathBuf {
    shell::root().join("xtask/kubernetes")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| fault(path, &error))
}

/// Which Kubernetes the module asks for.
fn version(module: &str) -> Result<String, String> {
    let words = module.lines().map(|line| line.trim().trim_start_matches("require "));
    let found = words.filter_map(|line| line.strip_prefix("k8s.io/kubernetes ")).next();
    let version = found.and_then(|rest| rest.split_whitespace().next());
    version.map(str::to_owned).ok_or_else(|| "go.mod requires no k8s.io/kubernetes".to_owned())
}

/// Without the version the API server calls itself v0.0.0 and kubelets of other versions are refused.
fn flags(version: &str) -> String {
    format!("-s -w -X k8s.io/component-base/version.gitVersion={version}")
}

/// SHA-256 of everything that the programs are made of.
fn checksum(go: &Path, flags: &str) -> Result<String, String> {
    let mut ask = Command::new(go);
    let go =
        shell::output(ask.current_dir(sources()).args(["env", "GOVERSION", "GOOS", "GOARCH"]))?;
    let mut made_of = format!("{}\n{flags}\n", String::from_utf8_lossy(&go));
    for source in SOURCES {
        made_of += &format!("{source}\n{}\n", read(&sources().join(source))?);
    }
    Ok(Sha256::digest(made_of).iter().map(|byte| format!("{byte:02x}")).collect())
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

/// Builds in a folder beside, which takes its name only when everything is in it.
fn build(go: &Path, version: &str, folder: &Path) -> Result<PathBuf, String> {
    let began = Instant::now();
    eprintln!("building Kubernetes {version} (once; about five minutes on two processors)");
    clear_broken_off(folder)?;
    let work = folder.with_extension(format!("{BUILDING}{}", std::process::id()));
    let scratch = work.join("scratch");
    std::fs::create_dir_all(&scratch).map_err(|error| fault(&scratch, &error))?;
    for module in &MODULES {
        // Who is killed while it builds leaves no compiler behind.
        let mut build = Command::new("setpriv");
        build.args(["--pdeathsig", "KILL", "--"]).arg(go);
        build.current_dir(sources().join(module.folder));
        build.envs([("CGO_ENABLED", "0"), ("GOWORK", "off")]).env("GOTMPDIR", &scratch);
        build.args(["build", "-trimpath", "-ldflags", &flags(version), "-o"]).arg(&work);
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
    fn the_version_is_the_one_that_the_module_requires() {
        let module = "require (\n\tk8s.io/kubernetes v1.2.3 // indirect\n)\n";
        assert_eq!(version(module).unwrap(), "v1.2.3");
        assert_eq!(version("require k8s.io/kubernetes v1.2.4\n").unwrap(), "v1.2.4");
        assert!(version("require k8s.io/kubernetesque v1\n").is_err());
    }

    #[test]
    fn what_is_noted_of_programs_is_read_again() {
        let (folder, checksum, version) = ("/f".into(), "c0ffee".to_owned(), "v1.2.3".to_owned());
        let programs = Programs { folder, checksum, version };
        assert_eq!(Programs::noted(&programs.note()), Some(programs));
        assert_eq!(Programs::noted("c0ffee"), None);
    }

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
