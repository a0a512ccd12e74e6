//! Starts the benchmarks of `e2e` on release builds and parts that are there.

use std::path::PathBuf;
use std::process::Command;

use crate::{builds, cluster, image, parts, shell};

/// `--quick` and names of benchmarks are handed on. Without names it is all that need no Kubernetes.
pub(crate) fn run(options: &[&str]) -> Result<(), String> {
    let (flags, names): (Vec<&str>, Vec<&str>) =
        options.iter().partition(|option| option.starts_with('-'));
    let (there, here): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| name.starts_with("kubernetes"));
    if !here.is_empty() || there.is_empty() {
        on_this_machine(&[flags.clone(), here].concat())?;
    }
    if there.is_empty() { Ok(()) } else { on_kubernetes(&[flags, there].concat()) }
}

fn on_this_machine(options: &[&str]) -> Result<(), String> {
    parts::for_benchmarks()?;
    let vaultyard = built(&["--package", "vaultyard-cli", "--bin", "vaultyard"])?;
    let proxy = built(&["--package", "vaultyard-proxy", "--example", "standalone"])?;
    let mut bench = Command::new(bench()?);
    bench.current_dir(shell::root());
    bench.env("VAULTYARD_BIN", vaultyard).env("VAULTYARD_BENCH_PROXY", proxy);
    shell::run(bench.args(options))
}

/// On the test cluster, with the images that people get. It is brought up unless it is, and taken down
/// afterwards unless it was.
fn on_kubernetes(options: &[&str]) -> Result<(), String> {
    let was_up = cluster::is_up();
    if !was_up {
        cluster::run(&["up"])?;
    }
    let measured = within_cluster(options);
    if was_up { measured } else { measured.and(cluster::run(&["down"])) }
}

fn within_cluster(options: &[&str]) -> Result<(), String> {
    let images = cluster::load_images(false)?;
    cluster::run(&["volumes"])?;
    let own = std::env::current_exe().map_err(|error| format!("xtask's own program: {error}"))?;
    let mut within = Command::new(own);
    within.current_dir(shell::root()).args(["cluster", "exec", "--"]).arg(bench()?).args(options);
    within.env("VAULTYARD_BIN", image::program()?);
    within.env("VAULTYARD_IMAGE", images.vaultyard).env("VAULTYARD_SERVER_IMAGE", images.server);
    shell::run(&mut within)
}

fn bench() -> Result<PathBuf, String> {
    built(&["--package", "vaultyard-e2e", "--bin", "bench"])
}

/// Builds one program as people get it. Each is built on its own, so that none gets features of
/// libraries that only another one asks for.
fn built(what: &[&str]) -> Result<PathBuf, String> {
    let mut build = shell::cargo();
    build.args(["build", "--release", "--message-format", "json-render-diagnostics"]).args(what);
    let said = shell::output(&mut build)?;
    builds::executable(&said).ok_or_else(|| format!("cargo does not say where it built {what:?}"))
}
