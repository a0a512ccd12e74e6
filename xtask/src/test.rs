//! The whole check, in the order in which a fault is found soonest.

use std::time::Instant;

use crate::builds::{binary_with_faults, lints, tests};
use crate::{layering, parts, shell, tidy};

mod kubernetes;
mod programs;

/// A step has a heading and is timed.
type Step = (&'static str, fn() -> Result<(), String>);

const WITHOUT_SERVERS: &[Step] = &[
    ("formatting", formatting),
    ("layering", layering::check),
    ("rules of this project", tidy::check),
    ("licences, bans and sources of dependencies", deny),
    ("builds and lints", lints),
];

const QUICK: &[Step] = &[("unit tests, generated files", quick_tests)];

const VAULT: Step =
    ("HashiCorp Vault, built of its sources unless it is kept from before", parts::vault::build);

const WITH_SERVERS: &[Step] = &[
    ("parts that the tests start", parts::for_tests),
    VAULT,
    ("unit and integration tests, generated files", all_tests),
    ("end-to-end tests", end_to_end),
];

const ON_KUBERNETES: &[Step] = &[
    ("Kubernetes, built of its sources unless it is kept from before", kubernetes::build),
    ("tests on Kubernetes", kubernetes::run),
];

/// Everything there is.
pub(crate) fn everything() -> Result<(), String> {
    kubernetes::require()?;
    walk(&[WITHOUT_SERVERS, WITH_SERVERS, ON_KUBERNETES].concat())
}

/// Everything but what needs a Kubernetes.
pub(crate) fn local() -> Result<(), String> {
    walk(&[WITHOUT_SERVERS, WITH_SERVERS].concat())
}

/// Only what needs a Kubernetes.
pub(crate) fn on_kubernetes() -> Result<(), String> {
    kubernetes::require()?;
    walk(&[&[VAULT], ON_KUBERNETES].concat())
}

/// What takes minutes on Kubernetes.
pub(crate) fn soak_on_kubernetes() -> Result<(), String> {
    kubernetes::require()?;
    kubernetes::soak()
}

/// Everything that starts no server.
pub(crate) fn quick() -> Result<(), String> {
    walk(&[WITHOUT_SERVERS, QUICK].concat())
}

/// Licences, bans and sources. The database of advisories is no package of a registry, so it is
/// not asked here.
pub(crate) fn deny() -> Result<(), String> {
    let mut deny = std::process::Command::new(parts::cargo_deny()?);
    deny.current_dir(shell::root());
    shell::run(deny.args(["--log-level", "error", "check", "bans", "licenses", "sources"]))
}

fn walk(steps: &[Step]) -> Result<(), String> {
    let began = Instant::now();
    for (heading, step) in steps {
        println!("\n== {heading}");
        let began = Instant::now();
        step().map_err(|reason| format!("{reason}\n\n== FAILED: {heading}"))?;
        println!("== {heading}: {:.1} s", began.elapsed().as_secs_f64());
    }
    println!("\n== all of it passed in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn formatting() -> Result<(), String> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
}

/// Unit tests, and all tests of the crates that speak to nobody, goldens above all.
fn quick_tests() -> Result<(), String> {
    let mut test = tests(&["--quiet", "--lib", "--bins"]);
    for folder in layering::pure_crates() {
        let programs = shell::root().join("crates").join(folder).join("tests");
        // Not every crate has some.
        for program in std::fs::read_dir(programs).into_iter().flatten().flatten() {
            let path = program.path();
            if let (Some("rs"), Some(name)) = (ending(&path), path.file_stem()) {
                test.arg("--test").arg(name);
            }
        }
    }
    shell::run(&mut test)
}

fn ending(path: &std::path::Path) -> Option<&str> {
    path.extension()?.to_str()
}

fn all_tests() -> Result<(), String> {
    programs::run(tests(&["--quiet"]), processors())?;
    shell::run(&mut tests(&["--quiet", "--doc"]))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn end_to_end() -> Result<(), String> {
    // Clusters mostly wait, for elections and for each other: more fit than there are processors.
    let at_once = format!("--test-threads={}", processors() + 2);
    shell::run(end_to_end_tests()?.args(["--skip", "soak::", &at_once]))
}

/// What the end-to-end tests leave out because it takes minutes.
pub(crate) fn soak() -> Result<(), String> {
    shell::run(end_to_end_tests()?.arg("soak::"))
}

fn end_to_end_tests() -> Result<std::process::Command, String> {
    let program = binary_with_faults()?;
    let mut test = tests(&["--test", "local", "--"]);
    // More servers than processors, most of the time idle: so each takes a third less of them.
    test.env("VAULTYARD_BIN", program).env("GOMAXPROCS", "1").env("GOGC", "300");
    Ok(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_stops_at_the_first_failing_step_and_names_it() {
        fn fails() -> Result<(), String> {
            Err("broken".to_owned())
        }
        let outcome = walk(&[("one", || Ok(())), ("two", fails), ("three", || panic!("reached"))]);
        assert_eq!(outcome.unwrap_err(), "broken\n\n== FAILED: two");
    }
}
