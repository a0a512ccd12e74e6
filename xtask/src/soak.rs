//! Starts the soak of `e2e` on a binary and parts that are there.

use crate::{parts, shell, test};

/// `--kills N`, `--lanes N` and `--seed N` are handed on.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    parts::for_tests()?;
    let mut soak = shell::cargo();
    soak.args(["run", "--quiet", "--package", "vaultyard-e2e", "--bin", "soak", "--"]);
    shell::run(soak.args(options).env("VAULTYARD_BIN", test::binary_with_faults()?))
}
