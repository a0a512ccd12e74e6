//! Changes one value of a document and nothing else: comments, order and layout are the person's.

use vaultyard_model::{Cluster, Version};

use crate::finding::At;
use crate::node::{Node, Value};
use crate::source::Source;
use crate::{Findings, Target, parse, stream, yaml};

/// Where the version stands, or belongs.
const SERVERS: &str = "spec.servers";

/// Why a document cannot be changed by us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It was wrong before.
    #[error(transparent)]
    Wrong(#[from] Findings),
    /// Its layout leaves no place that is surely the right one.
    #[error(
        "there is no sure place for the version in {file}: write spec.servers.version yourself"
    )]
    NoPlace {
        /// The file.
        file: String,
    },
}

/// The document with this version of the servers. What it declares is otherwise the same, which is
/// seen by reading it again.
///
/// # Errors
/// [`EditError`]
pub fn with_version(
    file: &str,
    text: &str,
    version: &Version,
    target: Target,
) -> Result<String, EditError> {
    let before = parse(file, text, target)?;
    let source = Source::new(file, text.as_bytes())?;
    let yaml::Read { documents, .. } = yaml::read(&source)?;
    let chosen = stream::cluster_document(&source, &documents, target, &mut Vec::new());
    let only = chosen.filter(|chosen| chosen.number.is_none()).map(|chosen| chosen.root);
    let edited = chosen.and_then(|chosen| {
        let edit = edit(chosen.root, version)
            .or_else(|| only.and_then(|_| appended(chosen.root, version)));
        edit?.made_in(source.text())
    });
    let declared = |text: &String| -> Option<Cluster> { parse(file, text, target).ok() };
    let mut wanted = before;
    wanted.servers.version = version.clone();
    edited
        .filter(|text| declared(text).as_ref() == Some(&wanted))
        .ok_or_else(|| EditError::NoPlace { file: file.to_owned() })
}

/// What is written where.
enum Edit {
    /// In place of what stands there.
    Instead(At, String),
    /// Before the entry that begins there: in the braces that it lies in, or on lines of its own.
    Before(At, String),
    /// At the end.
    Behind(String),
}

fn edit(root: &Node, version: &Version) -> Option<Edit> {
    if let Some(written) = root.at_path(&format!("{SERVERS}.version")) {
        return Some(Edit::Instead(written.at, version.to_string()));
    }
    let first = |path: &str| match &root.at_path(path)?.value {
        Value::Map(entries) => Some(entries.first()?.at),
        _ => None,
    };
    let within_servers = first(SERVERS).map(|at| Edit::Before(at, format!("version: {version}")));
    // What is written may lie in braces, where lines mean nothing.
    let within_spec =
        || first("spec").map(|at| Edit::Before(at, format!("servers: {{version: {version}}}")));
    within_servers.or_else(|| match root.at_path(SERVERS) {
        Some(_) => None,
        None => within_spec(),
    })
}

fn appended(root: &Node, version: &Version) -> Option<Edit> {
    let spec = format!("spec:\n  servers:\n    version: {version}\n");
    root.at_path("spec").is_none().then_some(Edit::Behind(spec))
}

impl Edit {
    /// The text after it.
    fn made_in(self, text: &str) -> Option<String> {
        match self {
            Self::Instead(at, new) => {
                let begin = offset(text, at)?;
                let old: String = text[begin..].chars().take(at.width).collect();
                let quote = old.chars().next().filter(|first| matches!(first, '\'' | '"'));
                let quote = quote.map(String::from).unwrap_or_default();
                let (before, after) = (&text[..begin], &text[begin + old.len()..]);
                Some(format!("{before}{quote}{new}{quote}{after}"))
            }
            Self::Before(at, new) => {
                let begin = offset(text, at)?;
                let (before, after) = text.split_at(begin);
                let line = before.rsplit('\n').next()?;
                let blank = line.chars().all(|c| c == ' ');
                let between = if blank { format!("\n{line}") } else { ", ".to_owned() };
                Some(format!("{before}{new}{between}{after}"))
            }
            Self::Behind(new) => {
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                Some(format!("{text}{end}{new}"))
            }
        }
    }
}

/// Where a place is in the text, in bytes.
fn offset(text: &str, at: At) -> Option<usize> {
    let line: usize = text.split_inclusive('\n').take(at.line.checked_sub(1)?).map(str::len).sum();
    let column = text[line..].char_indices().nth(at.column.checked_sub(1)?)?.0;
    Some(line + column)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str =
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata:\n  name: vault\n";

    fn edited(spec: &str) -> Result<String, EditError> {
        let version = Version::new("2.7.1").unwrap();
        let text = with_version("f", &format!("{HEAD}{spec}"), &version, Target::Local)?;
        Ok(text.strip_prefix(HEAD).unwrap().to_owned())
    }

    #[test]
    fn the_version_is_changed_where_it_stands_and_everything_else_stays() {
        for (before, after) in [
            (
                "spec: # mine\n  servers:\n    replicas: 3\n    version: 2.7.2 # pinned\n",
                "spec: # mine\n  servers:\n    replicas: 3\n    version: 2.7.1 # pinned\n",
            ),
            (
                "spec: {servers: {version: '2.7.2',   replicas: 1}}",
                "spec: {servers: {version: '2.7.1',   replicas: 1}}",
            ),
            (
                "spec:\n  servers: {\"version\": \"2.7.2\"}\n# ü\n",
                "spec:\n  servers: {\"version\": \"2.7.1\"}\n# ü\n",
            ),
        ] {
            assert_eq!(edited(before).unwrap(), after);
        }
    }

    #[test]
    fn one_that_is_not_written_is_put_beside_what_is() {
        for (before, after) in [
            ("", "spec:\n  servers:\n    version: 2.7.1\n"),
            (
                "spec:\n  # servers\n  servers:\n    # three\n    replicas: 3\n",
                "spec:\n  # servers\n  servers:\n    # three\n    version: 2.7.1\n    replicas: 3\n",
            ),
            ("spec: {servers: {replicas: 3}}", "spec: {servers: {version: 2.7.1, replicas: 3}}"),
            (
                "spec:\n  keys: {shares: 3}\n",
                "spec:\n  servers: {version: 2.7.1}\n  keys: {shares: 3}\n",
            ),
        ] {
            assert_eq!(edited(before).unwrap(), after);
        }
    }

    #[test]
    fn what_leaves_no_sure_place_is_left_to_the_person() {
        for spec in ["spec: {}\n", "spec: {servers: {}}\n", "spec:\n"] {
            let refused = edited(spec).unwrap_err().to_string();
            assert!(refused.contains("write spec.servers.version yourself"), "{spec:?} {refused}");
        }
        assert!(matches!(edited("spec: {server: 1}\n"), Err(EditError::Wrong(_))));
    }

    proptest! {
        #[test]
        fn nothing_but_the_version_is_changed(
            indent in 1usize..5,
            comment in "[a-zäöü #:{}'\"]{0,12}",
            patch in 0u64..30,
            before in prop_oneof![Just("2.7.2"), Just("'2.7.2'"), Just("\"2.7.2\"")],
        ) {
            let pad = " ".repeat(indent);
            let text = format!(
                "{HEAD}# {comment}\nspec:\n{pad}servers:\n{pad}{pad}version: {before} # {comment}\n\
                 {pad}{pad}replicas: 3\n"
            );
            let version = Version::new(&format!("2.7.{patch}")).unwrap();
            let after = with_version("f", &text, &version, Target::Local).unwrap();
            prop_assert_eq!(after.replace(&version.to_string(), "2.7.2"), text);
        }
    }
}
