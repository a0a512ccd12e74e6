//! The definitions of kinds that are not Kubernetes' own, as their projects publish them: Go modules
//! carry them. Tests apply them to the test cluster, to show it what is rendered of these kinds.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::parts::{folder, go};
use crate::shell::{self, fault};

/// A Go module and the definitions in it that are used.
struct Module {
    path: &'static str,
    version: &'static str,
    /// Its checksum as `go.sum` has it.
    checksum: &'static str,
    /// Where in the module the definitions are.
    folder: &'static str,
    files: &'static [&'static str],
}

const MODULES: [Module; 2] = [
    Module {
        path: "sigs.k8s.io/gateway-api",
        version: "v1.5.1",
        checksum: "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=",
        folder: "config/crd/standard",
        files: &[
            "gateway.networking.k8s.io_backendtlspolicies.yaml",
            "gateway.networking.k8s.io_gateways.yaml",
            "gateway.networking.k8s.io_httproutes.yaml",
            "gateway.networking.k8s.io_tlsroutes.yaml",
        ],
    },
    Module {
        path: "github.com/prometheus-operator/prometheus-operator",
        version: "v0.85.0",
        checksum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        folder: "example/prometheus-operator-crd",
        files: &[
            "monitoring.coreos.com_podmonitors.yaml",
            "monitoring.coreos.com_prometheusrules.yaml",
        ],
    },
];

/// The folder of the definitions, as the tests name it.
const HOME: &str = "definitions";
/// The file beside them that says what they were taken from.
const ORIGIN: &str = "origin";

/// Fetches those that are not there yet.
pub(super) fn fetch() -> Result<(), String> {
    let home = folder().join(HOME);
    let noted = home.join(ORIGIN);
    let origin: String = MODULES.iter().map(Module::line).collect();
    let whole = MODULES.iter().flat_map(|module| module.files).all(|it| home.join(it).is_file());
    if whole && std::fs::read_to_string(&noted).is_ok_and(|noted| noted == origin) {
        return Ok(());
    }
    std::fs::create_dir_all(&home).map_err(|error| fault(&home, &error))?;
    MODULES.iter().try_for_each(|module| module.fetch(&home))?;
    // Last, so that a folder that lacks some is never taken for whole.
    std::fs::write(&noted, origin).map_err(|error| fault(&noted, &error))
}

impl Module {
    fn line(&self) -> String {
        format!("{} {} {}\n", self.path, self.version, self.checksum)
    }

    /// Puts its definitions into the folder `home`.
    fn fetch(&self, home: &Path) -> Result<(), String> {
        let Self { path, version, checksum, .. } = self;
        eprintln!("fetching the definitions of {path} {version}");
        let mut download = Command::new(go(&shell::root().join("xtask/kubernetes"))?);
        download.current_dir(home).args(["mod", "download", "-json", &format!("{path}@{version}")]);
        let said = shell::output(&mut download)?;
        let said: Value = serde_json::from_slice(&said).map_err(|error| error.to_string())?;
        let found = said["Sum"].as_str().unwrap_or_default();
        if found != *checksum {
            return Err(format!("{path} {version} has the checksum {found} and not {checksum}"));
        }
        let unpacked = Path::new(said["Dir"].as_str().unwrap_or_default()).join(self.folder);
        for file in self.files {
            let (from, to) = (unpacked.join(file), home.join(file));
            let read = std::fs::read(&from).map_err(|error| fault(&from, &error))?;
            std::fs::write(&to, read).map_err(|error| fault(&to, &error))?;
        }
        Ok(())
    }
}
