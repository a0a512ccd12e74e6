//! Starts the soaks on a binary and parts that are there.

use crate::{builds, parts, shell, test};

/// On this machine: a death at every named step, or kills at random moments, for which `--kills N`, `--lanes N`
/// and `--seed N` are handed on.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    if options == ["--kubernetes"] {
        return test::soak_on_kubernetes();
    }
    parts::for_tests()?;
    if options == ["--faults"] {
        return test::soak();
    }
    let mut soak = shell::cargo();
    soak.args(["run", "--quiet", "--package", "vaultyard-e2e", "--bin", "soak", "--"]);
    shell::run(soak.args(options).env("VAULTYARD_BIN", builds::binary_with_faults()?))
}
