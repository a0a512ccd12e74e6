//! Rules for Rust files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Fault, File, code};

/// What ends the program where an error should be returned.
const ENDS_THE_PROGRAM: [&str; 3] = [".unwrap()", ".expect(", "panic!("];

/// What breaks a rule in a file, all of which may be `for_tests`.
pub(super) fn faults(content: &str, for_tests: bool) -> Vec<Fault> {
    let code = code::only(content);
    let product = if for_tests { 0 } else { lines_before_tests(&code) };
    let mut faults = Vec::new();
    for (at, line) in code.lines().enumerate() {
        if line.contains("#[ignore") {
            faults.push(Fault::new(at + 1, "an ignored test: make it run, or remove it"));
        }
        if at < product
            && let Some(word) = ENDS_THE_PROGRAM.iter().find(|word| line.contains(**word))
        {
            faults.push(Fault::new(at + 1, format!("{word} outside tests: return an error")));
        }
    }
    faults.extend(allowances_without_reason(content, &code));
    faults
}

/// Whether the file holds unsafe code.
pub(super) fn uses_unsafe(content: &str) -> bool {
    let code = code::only(content);
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "unsafe")
}

/// Files that are tests as a whole by their place: nothing of them is in the product.
pub(super) fn is_for_tests(path: &Path) -> bool {
    ["e2e", "crates/testkit", "crates/emulators"].iter().any(|folder| path.starts_with(folder))
        || path.iter().any(|part| part == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// Files that are tests as a whole because `#[cfg(test)] mod NAME;` says so.
pub(super) fn modules_for_tests(files: &[File]) -> BTreeSet<PathBuf> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| declared_for_tests(&file.path, &code::only(&file.content))).collect()
}

/// The files of the modules that `code`, which stands at `path`, declares for tests only.
fn declared_for_tests(path: &Path, code: &str) -> Vec<PathBuf> {
    let is_root = path.file_name().is_some_and(|name| name == "lib.rs" || name == "main.rs");
    let folder = if is_root { path.with_file_name("") } else { path.with_extension("") };
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| {
        let declaration = pair[1].trim_start_matches("pub(crate) ");
        declaration.strip_prefix("mod ")?.strip_suffix(';')
    });
    declared.map(|name| folder.join(name).with_extension("rs")).collect()
}

/// The number of lines before the module of tests, which stands at the end of a file.
fn lines_before_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let opens_module = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub(crate) ");
        line.starts_with("mod ") && line.ends_with('{')
    };
    let tests = lines
        .windows(2)
        .position(|pair| pair[0].trim_start().starts_with("#[cfg(test)]") && opens_module(pair[1]));
    tests.unwrap_or(lines.len())
}

/// `#[allow]` and `#[expect]` say why: in the attribute or in a comment above or beside it.
fn allowances_without_reason(content: &str, code: &str) -> Vec<Fault> {
    let lines: Vec<&str> = content.lines().collect();
    let opens = |line: &str| ["#[allow(", "#![allow("].iter().any(|word| line.contains(word));
    let explained = |at: usize| {
        let above = at.checked_sub(1).is_some_and(|above| lines[above].trim().starts_with("//"));
        let end = (at..lines.len()).find(|at| lines[*at].contains(']')).unwrap_or(at);
        let attribute = &lines[at..=end];
        above || attribute.iter().any(|line| line.contains("reason =") || line.contains("//"))
    };
    let silent = code.lines().enumerate().filter(|(at, line)| opens(line) && !explained(*at));
    silent.map(|(at, _)| Fault::new(at + 1, "a lint is allowed without a reason")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(line, what)| Fault::new(*line, *what)).collect();
        assert_eq!(faults(content, false), expected);
    }

    #[test]
    fn the_product_does_not_end_itself() {
        check("fn f() {\n    x.unwrap();\n}\n", &[(2, ".unwrap() outside tests: return an error")]);
        check("x.expect(\"it\")\n", &[(1, ".expect( outside tests: return an error")]);
        check("panic!(\"no\")\n", &[(1, "panic!( outside tests: return an error")]);
        check("// never panic!(...)\nlet text = \".unwrap()\";\n", &[]);
        check("x.unwrap_or(1)\n", &[]);
    }

    #[test]
    fn tests_may() {
        check("#[cfg(test)]\nmod tests {\n    x.unwrap();\n}\n", &[]);
        assert_eq!(faults("x.unwrap()\n", true), []);
    }

    #[test]
    fn some_files_are_tests_by_their_place() {
        for path in
            ["e2e/src/lib.rs", "crates/keys/tests/real.rs", "crates/keys/src/store/tests.rs"]
        {
            assert!(is_for_tests(Path::new(path)), "{path}");
        }
        assert!(!is_for_tests(Path::new("crates/keys/src/store.rs")));
    }

    #[test]
    fn some_files_are_tests_because_their_parent_says_so() {
        let code = "#[cfg(test)]\nmod sample;\nmod product;\n";
        let declared = |path: &str| declared_for_tests(Path::new(path), code);
        assert_eq!(declared("a/src/lib.rs"), [PathBuf::from("a/src/sample.rs")]);
        assert_eq!(declared("a/src/store.rs"), [PathBuf::from("a/src/store/sample.rs")]);
    }

    #[test]
    fn a_declared_test_module_does_not_end_the_product() {
        check(
            "#[cfg(test)]\nmod tests;\nx.unwrap();\n",
            &[(3, ".unwrap() outside tests: return an error")],
        );
    }

    #[test]
    fn no_test_is_ignored() {
        let fault = [(2, "an ignored test: make it run, or remove it")];
        check("#[test]\n#[ignore = \"slow\"]\nfn f() {}\n", &fault);
    }

    #[test]
    fn what_is_allowed_says_why() {
        let fault = [(1, "a lint is allowed without a reason")];
        check("#[allow(dead_code)]\nfn f() {}\n", &fault);
        check("// Used by the macro below.\n#[allow(dead_code)]\nfn f() {}\n", &[]);
        check("#![allow(\n    dead_code,\n    reason = \"why\"\n)]\n", &[]);
    }

    #[test]
    fn unsafe_code_is_seen_and_a_word_in_a_comment_is_not() {
        assert!(uses_unsafe("unsafe { f() }"));
        assert!(!uses_unsafe("// unsafe\n#![forbid(unsafe_code)]"));
    }
}
