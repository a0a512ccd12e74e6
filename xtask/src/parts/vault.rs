//! HashiCorp Vault, built from its own sources: nobody hands its programs out as packages. Its licence
//! (BUSL-1.1) lets us test with it and not hand it on.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::go_build::{Build, Module};
use crate::parts::folder;
use crate::shell::{fault, remove};

/// From which and to which tests change.
pub(crate) const VERSIONS: [&str; 2] = ["1.21.0", "1.21.1"];

const MODULES: [Module; 1] = [Module { folder: ".", packages: &["github.com/hashicorp/vault"] }];

/// One that is built.
pub(crate) fn program(version: &str) -> PathBuf {
    place(version).join("vault")
}

fn place(version: &str) -> PathBuf {
    folder().join(format!("vault-{version}"))
}

/// Builds those that are nowhere yet, and puts each where tests look for it.
pub(crate) fn build() -> Result<(), String> {
    VERSIONS.iter().try_for_each(|version| {
        let build = Build {
            name: format!("vault-{version}"),
            what: format!("Vault {version} (once; up to 14 minutes on two processors)"),
            sources: format!("vault/{version}"),
            files: &["go.mod", "go.sum"],
            modules: &MODULES,
            flags: "-s -w".to_owned(),
        };
        let built = build.ready()?;
        let place = place(version);
        remove(&place)?;
        symlink(&built.folder, &place).map_err(|error| fault(&place, &error))
    })
}
