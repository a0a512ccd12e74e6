//! Rules of CONTRIBUTING.md that neither rustfmt nor clippy knows. Each rule is a pure function
//! over one file's text, with a test that shows that it can fail.

mod code;
mod dependencies;
mod links;
mod rust;
mod text;

use std::path::{Path, PathBuf};

use crate::shell;

/// Something that breaks a rule.
#[derive(Debug, PartialEq)]
struct Fault {
    /// Counted from 1.
    line: usize,
    what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// Checks every file that belongs to the project.
pub(crate) fn check() -> Result<(), String> {
    let root = shell::root();
    let files = files(&root)?;
    let for_tests = rust::modules_for_tests(&files);
    let mut faults = Vec::new();
    for file in &files {
        let is_for_tests = rust::is_for_tests(&file.path) || for_tests.contains(&file.path);
        for Fault { line, what } in faults_of(&root, file, is_for_tests) {
            faults.push(format!("{}:{line}: {what}", file.path.display()));
        }
    }
    let holds_unsafe = |file: &&File| file.is_rust() && rust::uses_unsafe(&file.content);
    let holders: Vec<_> = files.iter().filter(holds_unsafe).map(|file| file.path.clone()).collect();
    faults.extend(unsafe_fault(&holders));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// A text file of the project.
struct File {
    /// Relative to the root of the checkout.
    path: PathBuf,
    content: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|ending| ending == "rs")
    }

    /// Whether it is what a program is expected to print, or is given to read, in a test, or what is
    /// generated for others to read: then it is as it is for a reason.
    fn is_specimen(&self) -> bool {
        let folders = ["golden", "tests", "snapshots", "schema"];
        !self.is_rust() && self.path.iter().any(|part| folders.iter().any(|folder| part == *folder))
    }
}

/// What breaks a rule in one file.
fn faults_of(root: &Path, file: &File, is_for_tests: bool) -> Vec<Fault> {
    if file.is_specimen() {
        return Vec::new();
    }
    let File { path, content } = file;
    let mut faults = text::faults(content);
    if file.is_rust() {
        faults.extend(rust::faults(content, is_for_tests));
    }
    if path.extension().is_some_and(|ending| ending == "md") {
        faults.extend(links::faults(root, path, content));
    }
    if path == Path::new("Cargo.toml") {
        faults.extend(dependencies::faults(content));
    }
    faults
}

/// Unsafe code stands in one file of `target-local`, if anywhere.
fn unsafe_fault(files: &[PathBuf]) -> Option<String> {
    match files {
        [] => None,
        [only] if only.starts_with("crates/target-local/src") => None,
        several => Some(format!("unsafe code may stand in one file of target-local: {several:?}")),
    }
}

/// The text files that git knows or would add. The licence is not our text.
fn files(root: &Path) -> Result<Vec<File>, String> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = String::from_utf8_lossy(&shell::output(&mut git)?).into_owned();
    let checksums = |name: &str| name == "Cargo.lock" || name.ends_with("/go.sum");
    let ours = |name: &&str| !name.is_empty() && *name != "LICENSE" && !checksums(name);
    let read = |name: &str| {
        let content = std::fs::read_to_string(root.join(name)).ok()?;
        Some(File { path: name.into(), content })
    };
    Ok(listed.split('\0').filter(ours).filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_in(path: &str, content: &str) -> Vec<Fault> {
        let file = File { path: path.into(), content: content.to_owned() };
        faults_of(Path::new("."), &file, false)
    }

    #[test]
    fn specimens_are_as_they_are_and_sources_are_not() {
        assert_eq!(faults_in("crates/manifest/tests/bad/x.stderr", "error: \n"), []);
        assert_eq!(faults_in("crates/render/src/golden/x.json", "{}"), []);
        assert_eq!(faults_in("schema/x.json", &"x\n".repeat(801)), []);
        assert_eq!(faults_in("crates/render/src/lib.rs", "fn f() {} \n").len(), 1);
        assert_eq!(faults_in("README.md", "[a](gone.md) \n").len(), 2);
        assert_eq!(faults_in("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n").len(), 1);
    }

    #[test]
    fn unsafe_code_stands_in_one_file_of_the_local_target() {
        let allowed = PathBuf::from("crates/target-local/src/death_signal.rs");
        assert_eq!(unsafe_fault(&[]), None);
        assert_eq!(unsafe_fault(std::slice::from_ref(&allowed)), None);
        assert!(unsafe_fault(&["crates/keys/src/lib.rs".into()]).is_some());
        assert!(unsafe_fault(&[allowed, "crates/target-local/src/two.rs".into()]).is_some());
    }
}
