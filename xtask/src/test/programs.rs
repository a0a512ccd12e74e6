//! Runs the programs of unit and integration tests, several at once. cargo runs one after the other, and
//! many of them wait for servers most of the time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::builds::parsed;
use crate::shell;

/// A program that holds tests, and the folder of its package, where cargo would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    name: String,
    path: PathBuf,
    folder: PathBuf,
    /// Whether it is a file of `tests/`: those take longest and are begun first.
    integration: bool,
}

/// Builds with `test`, which is a `cargo test`, and runs what it has built. Each program that fails is
/// shown with all that it said.
pub(super) fn run(mut test: Command, at_once: usize) -> Result<(), String> {
    test.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    let mut programs = programs(&shell::output(&mut test)?);
    if programs.is_empty() {
        return Err("cargo does not say which programs of tests it has built".to_owned());
    }
    programs.sort_by_key(|program| !program.integration);
    let open = Mutex::new(VecDeque::from(programs));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(program) = open.lock().ok().and_then(|mut open| open.pop_front()) {
                    if let Err(why) = run_one(&program)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.push(why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().map_err(|_| "a test program was lost".to_owned())?;
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn run_one(program: &Program) -> Result<(), String> {
    let began = Instant::now();
    let mut command = Command::new(&program.path);
    shell::output(command.arg("--quiet").current_dir(&program.folder))?;
    println!("{}: {:.1} s", program.name, began.elapsed().as_secs_f64());
    Ok(())
}

/// The programs of tests in cargo's JSON messages, one a line.
fn programs(messages: &[u8]) -> Vec<Program> {
    parsed(messages).filter_map(|message| program(&message)).collect()
}

fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.to_owned();
    let (package, target) = (folder.file_name()?.to_str()?, message["target"]["name"].as_str()?);
    Some(Program {
        name: format!("{package}/{target}"),
        path: message["executable"].as_str()?.into(),
        folder,
        integration: message["target"]["kind"][0] == "test",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_tests_are_found_among_the_messages() {
        let messages = br#"{"reason":"compiler-artifact","manifest_path":"/c/keys/Cargo.toml","target":{"name":"real","kind":["test"]},"profile":{"test":true},"executable":"/t/real-1"}
{"reason":"compiler-artifact","manifest_path":"/c/cli/Cargo.toml","target":{"name":"vaultyard","kind":["bin"]},"profile":{"test":false},"executable":"/t/vaultyard"}
{"reason":"compiler-artifact","manifest_path":"/c/keys/Cargo.toml","target":{"name":"keys","kind":["lib"]},"profile":{"test":true},"executable":null}
{"reason":"build-finished","success":true}
"#;
        let found = Program {
            name: "keys/real".to_owned(),
            path: "/t/real-1".into(),
            folder: "/c/keys".into(),
            integration: true,
        };
        assert_eq!(programs(messages), [found]);
    }

    #[test]
    fn a_program_that_fails_is_shown_with_what_it_said() {
        let program = Program {
            name: "x/y".to_owned(),
            path: "/bin/ls".into(),
            folder: "/".into(),
            integration: false,
        };
        let why = run_one(&program).unwrap_err();
        assert!(why.contains("/bin/ls --quiet") && why.contains("unrecognized option"), "{why}");
    }
}
