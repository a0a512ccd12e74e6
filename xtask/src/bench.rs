//! Starts the benchmarks of `e2e` on release builds and parts that are there.

use std::path::PathBuf;

use crate::{parts, shell, test};

/// `--quick` and names of benchmarks are handed on.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    parts::for_benchmarks()?;
    let vaultyard = built(&["--package", "vaultyard-cli", "--bin", "vaultyard"])?;
    let proxy = built(&["--package", "vaultyard-proxy", "--example", "standalone"])?;
    let mut bench = shell::cargo();
    bench.args(["run", "--release", "--package", "vaultyard-e2e", "--bin", "bench", "--"]);
    bench.env("VAULTYARD_BIN", vaultyard).env("VAULTYARD_BENCH_PROXY", proxy);
    shell::run(bench.args(options))
}

/// Builds one program as people get it. Each is built on its own, so that none gets features of
/// libraries that only another one asks for.
fn built(what: &[&str]) -> Result<PathBuf, String> {
    let mut build = shell::cargo();
    build.args(["build", "--release", "--message-format", "json-render-diagnostics"]).args(what);
    let said = shell::output(&mut build)?;
    test::executable(&said).ok_or_else(|| format!("cargo does not say where it built {what:?}"))
}
