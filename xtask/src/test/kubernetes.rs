//! The tests that need a Kubernetes: on the test cluster, which is brought up for them.

use std::process::Command;

use crate::{cluster, shell};

/// Refuses where the test cluster cannot be made, before anything else is begun.
pub(super) fn require() -> Result<(), String> {
    cluster::require().map_err(|reason| {
        format!(
            "{reason}\nThe tests on Kubernetes cannot be run here. `make test-local` runs all others."
        )
    })
}

/// Builds other people's servers; a step of its own, so that it is timed apart from our tests.
pub(super) fn build() -> Result<(), String> {
    cluster::build()
}

/// Brings the test cluster up unless it is, and takes it down afterwards unless it was.
pub(super) fn run() -> Result<(), String> {
    let was_up = cluster::is_up();
    cluster::run(&["up"])?;
    let tested = tests();
    if was_up { tested } else { tested.and(cluster::run(&["down"])) }
}

fn tests() -> Result<(), String> {
    let images = cluster::load_images(true)?;
    let program = super::binary_with_faults()?;
    let own = std::env::current_exe().map_err(|error| format!("xtask's own program: {error}"))?;
    let test = |words: &[&str], threads: usize| {
        let cargo = shell::cargo();
        let mut within = Command::new(&own);
        within.current_dir(shell::root()).args(["cluster", "exec", "--"]).arg(cargo.get_program());
        within.arg("test").args(words).args(["--", &format!("--test-threads={threads}")]);
        within.env("VAULTYARD_BIN", &program).env("VAULTYARD_CLUSTER_TOOL", &own);
        within.env("VAULTYARD_IMAGE", &images.vaultyard);
        within.env("VAULTYARD_SERVER_IMAGE", &images.server);
        shell::run(&mut within)
    };
    let api = ["--package", "vaultyard-target-kubernetes", "--features", "real-cluster"];
    test(&[&api[..], &["--test", "real"]].concat(), 4)?;
    // Clusters mostly wait: for kubelet, for elections, for each other.
    let end_to_end = ["--package", "vaultyard-e2e", "--features", "kubernetes"];
    test(&[&end_to_end[..], &["--test", "kubernetes"]].concat(), super::at_once())
}
