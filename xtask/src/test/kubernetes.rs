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

/// Of the tests that have the machines of the cluster for themselves. They mostly wait.
const ALONE: [&str; 2] = ["alone::", "machines_and_definitions_that_do_not_fit"];

/// Brings the test cluster up unless it is, and takes it down afterwards unless it was. `beside` is done while the
/// processors have time for it.
pub(super) fn run(beside: fn() -> Result<(), String>) -> Result<(), String> {
    on_the_cluster(|tests| {
        // Of the crate that speaks to the API server.
        tests.run("real_cluster", &["--test-threads=4"])?;
        let alone = tests.command("kubernetes", &[&ALONE[..], &["--test-threads=1"]].concat());
        let (alone, beside) = std::thread::scope(|scope| {
            let alone = scope.spawn(|| quietly(alone));
            let beside = beside();
            (alone.join(), beside)
        });
        let alone = alone.unwrap_or_else(|_| Err("a thread has panicked".to_owned()));
        let alone = alone.map(|said| println!("{said}"));
        // Whatever failed is told, and not only the first of it.
        let reasons: Vec<String> = [beside, alone].into_iter().filter_map(Result::err).collect();
        if !reasons.is_empty() {
            return Err(reasons.join("\n\n"));
        }
        // How many of them really run is seen to by the tests themselves, by what the processors do.
        let at_once = format!("--test-threads={}", 2 * super::processors());
        let skipped = ALONE.iter().flat_map(|skipped| ["--skip", skipped]);
        let words: Vec<_> = ["--skip", "soak::", &at_once].into_iter().chain(skipped).collect();
        tests.run("kubernetes", &words)
    })
}

/// What it says, once it is over.
fn quietly(mut command: Command) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&shell::output(&mut command)?).into_owned())
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
        shell::run(&mut self.command(test, words))
    }

    fn command(&self, test: &str, words: &[&str]) -> Command {
        let cargo = builds::tests(&["--test", test]);
        let mut within = Command::new(&self.tool);
        within.current_dir(shell::root()).args(["cluster", "exec", "--"]).arg(cargo.get_program());
        within.args(cargo.get_args()).arg("--").args(words);
        within.envs(cargo.get_envs().filter_map(|(name, value)| Some((name, value?))));
        within.env("VAULTYARD_BIN", &self.program).env("VAULTYARD_CLUSTER_TOOL", &self.tool);
        within.env("VAULTYARD_IMAGE", &self.images.vaultyard);
        within.env("VAULTYARD_SERVER_IMAGE", &self.images.server);
        within
    }
}
