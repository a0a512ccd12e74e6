//! Rules for documents: what they point at is there.

use std::path::Path;

use super::Fault;

/// Folders of the checkout. A path in backticks that begins with one of them must exist.
const FOLDERS: [&str; 4] = ["crates/", "e2e/", "xtask/", "docs/"];

pub(super) fn faults(root: &Path, path: &Path, content: &str) -> Vec<Fault> {
    let folder = root.join(path.parent().unwrap_or(Path::new("")));
    let mut faults = Vec::new();
    let mut in_code = false;
    for (at, line) in content.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in links(line) {
            if let Some(what) = broken_link(&folder, content, target) {
                faults.push(Fault::new(at + 1, what));
            }
        }
        for named in paths_in_backticks(line).filter(|named| !root.join(named).exists()) {
            faults.push(Fault::new(at + 1, format!("`{named}` does not exist")));
        }
    }
    faults
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Words in backticks that are paths of the checkout; patterns and placeholders are not.
fn paths_in_backticks(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        FOLDERS.iter().any(|folder| word.starts_with(folder))
            && !word.contains([' ', '*', '<', '{'])
            && !word.chars().any(|c| c.is_ascii_uppercase() && !word.contains('.'))
    })
}

/// What is wrong with a link from `content`, which lies in `folder`.
fn broken_link(folder: &Path, content: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    if !file.is_empty() && !folder.join(file).exists() {
        return Some(format!("the link leads nowhere: {target}"));
    }
    if anchor.is_empty() {
        return None;
    }
    let other;
    let text = if file.is_empty() {
        content
    } else {
        other = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        &other
    };
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    let found = headings.any(|line| slug(line.trim_start_matches('#')) == anchor);
    (!found).then(|| format!("no heading #{anchor} there: {target}"))
}

/// The anchor that a heading gets where such documents are shown.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of a README in this package's folder, where `Cargo.toml` and `src` are.
    #[track_caller]
    fn check(content: &str, expected: &[(usize, &str)]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let expected: Vec<_> =
            expected.iter().map(|(line, what)| Fault::new(*line, *what)).collect();
        assert_eq!(faults(root, Path::new("README.md"), content), expected);
    }

    #[test]
    fn a_link_leads_somewhere() {
        check("[a](Cargo.toml) [b](src/tidy.rs) [c](https://example.org/x)\n", &[]);
        check("one\n[a](gone.md)\n", &[(2, "the link leads nowhere: gone.md")]);
    }

    #[test]
    fn an_anchor_names_a_heading() {
        check("# What it is, and why\n[a](#what-it-is-and-why)\n", &[]);
        check("# One\n[a](#two)\n", &[(2, "no heading #two there: #two")]);
    }

    #[test]
    fn a_path_in_backticks_exists() {
        check("see `crates/gone/src/lib.rs`\n", &[(1, "`crates/gone/src/lib.rs` does not exist")]);
        check("see `crates/*/src` and `vault/x`\n", &[]);
    }

    #[test]
    fn code_is_not_prose() {
        check("```\n[a](gone.md)\n```\n", &[]);
    }
}
