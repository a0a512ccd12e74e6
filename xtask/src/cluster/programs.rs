//! The programs of the cluster, built from their modules in `xtask/kubernetes`.

use std::path::PathBuf;

use crate::go_build::{self, Build, Built, Module};

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

/// What the programs are made of.
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
    let version = version(&go_build::read("kubernetes/go.mod")?)?;
    let build = Build {
        name: "kubernetes".to_owned(),
        what: format!("Kubernetes {version} (once; about five minutes on two processors)"),
        sources: "kubernetes".to_owned(),
        files: &SOURCES,
        modules: &MODULES,
        flags: flags(&version),
    };
    let Built { folder, checksum } = build.ready()?;
    Ok(Programs { folder, checksum, version })
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
}
