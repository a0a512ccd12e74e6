//! Builds programs and tests, and lints them while they are built. A `cargo clippy` of its own would read all
//! libraries once more, which takes longer than the lints themselves.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{parts, shell};

/// Tests that `cargo test` leaves out unless it is asked for them by name: they need what the steps that run
/// them have brought up.
const BY_NAME: [&str; 3] = ["local", "kubernetes", "real_cluster"];

/// A cargo whose compiler of our own crates is clippy's, which builds what rustc builds. All that is
/// built for tests is built by it, or it would be built twice.
pub(crate) fn cargo() -> Command {
    let mut cargo = shell::cargo();
    cargo.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    cargo
}

/// Tests of the whole workspace, of which those are run that `words` name. One package alone would ask
/// for fewer features of libraries, and nearly all of them would be built once more for it.
pub(crate) fn tests(words: &[&str]) -> Command {
    let mut test = cargo();
    test.args(["test", "--workspace", "--features", "vaultyard-cli/fault-injection"]).args(words);
    test
}

/// Builds all programs and tests, and accepts no warning of the compiler or of clippy.
pub(crate) fn lints() -> Result<(), String> {
    build(&["--lib", "--bins", "--examples", "--tests"])?;
    // Where all tests are asked for, cargo does not look at names.
    build(&BY_NAME.map(|test| ["--test", test]).concat())
}

fn build(what: &[&str]) -> Result<(), String> {
    let mut build = tests(&["--no-run", "--quiet", "--message-format", "json"]);
    build.args(what);
    // Cargo's own words go to people, also what stands in the way of building at all.
    let done = build.stderr(Stdio::inherit()).output();
    let done = done.map_err(|error| format!("cannot start cargo: {error}"))?;
    let complaints = complaints(&done.stdout);
    complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
    match complaints.len() {
        0 if done.status.success() => Ok(()),
        0 => Err(format!("cargo cannot build the tests ({})", done.status)),
        count => Err(format!("{count} warnings and errors, printed above")),
    }
}

/// What the compiler says against the sources, as it is shown to people.
fn complaints(messages: &[u8]) -> Vec<String> {
    let diagnostics = parsed(messages).filter(|it| it["reason"] == "compiler-message");
    let mut complaints = Vec::new();
    for diagnostic in diagnostics {
        // A library is compiled twice, with and without its tests.
        match diagnostic["message"]["rendered"].as_str() {
            Some(shown) if !complaints.iter().any(|known| known == shown) => {
                complaints.push(shown.to_owned());
            }
            _ => {}
        }
    }
    complaints
}

/// The binary with named fault points, apart from the one that people get: the end-to-end tests
/// and the soak run this one.
pub(crate) fn binary_with_faults() -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--package", "vaultyard-cli", "--features", "fault-injection"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let said = shell::output(&mut build)?;
    let built = executable(&said).ok_or("cargo does not say where it built vaultyard")?;
    let folder = parts::folder().join("vaultyard-with-faults");
    let kept = folder.join("vaultyard");
    let copied = std::fs::create_dir_all(&folder).and_then(|()| {
        // A running program cannot be written over; its name can be given to another one.
        let fresh = folder.join("vaultyard.new");
        std::fs::copy(&built, &fresh)?;
        std::fs::rename(&fresh, &kept)
    });
    copied.map_err(|error| format!("{}: {error}", kept.display()))?;
    Ok(kept)
}

/// The path of the executable in cargo's messages.
pub(crate) fn executable(messages: &[u8]) -> Option<PathBuf> {
    let built = parsed(messages).filter_map(|it| it["executable"].as_str().map(PathBuf::from));
    built.last()
}

/// Cargo's JSON messages, one a line.
pub(crate) fn parsed(messages: &[u8]) -> impl Iterator<Item = Value> {
    let lines = messages.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/t/debug/vaultyard"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages), Some("/t/debug/vaultyard".into()));
    }

    #[test]
    fn complaints_are_what_the_compiler_says_once_and_nothing_else() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-message","message":{"level":"warning","rendered":"warning: unused"}}
{"reason":"compiler-message","message":{"level":"warning","rendered":"warning: unused"}}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(complaints(messages), ["warning: unused"]);
    }
}
