//! Documents good and bad, each with what a person is told about it.
//!
//! `tests/bad/NAME.yaml` is refused with the text of `tests/bad/NAME.stderr`; `tests/good/NAME.yaml`
//! is a cluster. `UPDATE_GOLDEN=1` writes the expected texts anew.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]
#![allow(clippy::disallowed_methods, reason = "expected texts are files, and written on demand")]

use std::fs;
use std::path::{Path, PathBuf};

use vaultyard_manifest::{Target, parse};

fn documents(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_document = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml");
    let mut files: Vec<PathBuf> = files.filter(is_document).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// A document whose name begins with `kubernetes-` is meant for that target.
fn target(path: &Path) -> Target {
    if name(path).starts_with("kubernetes-") { Target::Kubernetes } else { Target::Local }
}

#[test]
fn bad_documents_are_refused_with_the_expected_words() {
    let documents = documents("bad");
    assert!(documents.len() >= 30);
    let mut different = Vec::new();
    for path in documents {
        let answer = parse(&name(&path), fs::read(&path).unwrap(), target(&path));
        let Err(findings) = answer else {
            panic!("{} is accepted", name(&path));
        };
        let said = format!("{findings}\n");
        let expected = path.with_extension("stderr");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            different.push(format!("{}:\n{said}", name(&path)));
        }
    }
    assert!(different.is_empty(), "not as expected:\n{}", different.join("\n"));
}

#[test]
fn good_documents_are_clusters() {
    for path in documents("good") {
        let cluster = parse(&name(&path), fs::read(&path).unwrap(), target(&path));
        assert!(cluster.is_ok(), "{}", cluster.unwrap_err());
    }
}
