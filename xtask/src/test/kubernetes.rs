//! The tests that need a Kubernetes: on the test cluster, which is brought up for them.

use std::path::PathBuf;
use std::process::Command;

use crate::{builds, cluster, parts, shell};

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
    on_the_cluster(|tests| {
        // Of the crate that speaks to the API server.
        tests.run("real_cluster", &["--test-threads=4"])?;
        // How many of them really run is seen to by the tests themselves, by what the processors do.
        let at_once = format!("--test-threads={}", 2 * super::processors());
        tests.run("kubernetes", &["--skip", "soak::", &at_once])
    })
}

/// Runs what `run` leaves out, and shows what it measures.
pub(super) fn soak() -> Result<(), String> {
    on_the_cluster(|tests| tests.run("kubernetes", &["soak::", "--nocapture", "--test-threads=1"]))
}

fn on_the_cluster(work: impl FnOnce(&Tests) -> Result<(), String>) -> Result<(), String> {
    let was_up = cluster::is_up();
    cluster::run(&["up"])?;
    let worked = Tests::ready().and_then(|tests| work(&tests));
    if was_up { worked } else { worked.and(cluster::run(&["down"])) }
}

/// What the tests are run with.
struct Tests {
    images: cluster::References,
    program: PathBuf,
    /// This one.
    tool: PathBuf,
}

impl Tests {
    fn ready() -> Result<Self, String> {
        // Nothing can be fetched any more where the tests run.
        parts::nginx()?;
        for version in parts::earlier_openbaos() {
            parts::openbao_of(version)?;
        }
        let images = cluster::load_images(true)?;
        let program = builds::binary_with_faults()?;
        let tool = std::env::current_exe();
        let tool = tool.map_err(|error| format!("xtask's own program: {error}"))?;
        Ok(Self { images, program, tool })
    }

    fn run(&self, test: &str, words: &[&str]) -> Result<(), String> {
        let cargo = builds::tests(&["--test", test]);
        let mut within = Command::new(&self.tool);
        within.current_dir(shell::root()).args(["cluster", "exec", "--"]).arg(cargo.get_program());
        within.args(cargo.get_args()).arg("--").args(words);
        within.envs(cargo.get_envs().filter_map(|(name, value)| Some((name, value?))));
        within.env("VAULTYARD_BIN", &self.program).env("VAULTYARD_CLUSTER_TOOL", &self.tool);
        within.env("VAULTYARD_IMAGE", &self.images.vaultyard);
        within.env("VAULTYARD_SERVER_IMAGE", &self.images.server);
        shell::run(&mut within)
    }
}
