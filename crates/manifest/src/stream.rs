//! Which document of a stream declares the cluster.

use crate::finding::{At, Finding, Problem, quoted};
use crate::nearest::nearest;
use crate::node::{Node, Scalar};
use crate::source::Source;
use crate::{KIND, Target};

/// Kinds that come with later versions.
const LATER: [&str; 2] = ["VaultSettings", "Pipeline"];

/// A document that is to be checked as a `VaultCluster`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen<'a> {
    pub(crate) root: &'a Node,
    /// From 1; `None` when the file holds one document only.
    pub(crate) number: Option<usize>,
}

/// What a document says that it is.
enum Class<'a> {
    /// A cluster, or what can only be meant as one: the check says what is wrong with its head.
    Cluster,
    /// A kind of a later version.
    Later(&'a Node),
    /// Something else.
    Other(&'a Node),
}

/// The one `VaultCluster`.
///
/// Other documents, and a second cluster, are findings: a file that is read is read as a whole.
pub(crate) fn cluster_document<'a>(
    source: &Source<'_>,
    documents: &'a [Node],
    target: Target,
    findings: &mut Vec<Finding>,
) -> Option<Chosen<'a>> {
    let mut chosen: Option<Chosen<'a>> = None;
    for (index, root) in documents.iter().enumerate() {
        let number = (documents.len() > 1).then_some(index + 1);
        let finding = match (class(root), chosen) {
            (Class::Cluster, None) => {
                chosen = Some(Chosen { root, number });
                continue;
            }
            (Class::Cluster, Some(first)) => {
                let first = first.root.at.line;
                source.finding(root.at, "", Problem::SecondCluster { first })
            }
            (Class::Later(kind), _) => wrong_kind(source, kind, Problem::NotSupported { target }),
            (Class::Other(kind), _) => wrong_kind(source, kind, Problem::WrongValue),
        };
        findings.push(Finding { document: number, ..finding });
    }
    if chosen.is_none() && findings.is_empty() {
        let hint = "`vaultyard explain` shows what a document holds".to_owned();
        let finding = source.finding(At::start(), "", Problem::NoCluster);
        findings.push(Finding { hint: Some(hint), ..finding });
    }
    chosen
}

fn class(root: &Node) -> Class<'_> {
    if root.entries().is_none() {
        return Class::Cluster;
    }
    let Some(kind) = root.at_path("kind") else {
        return Class::Cluster;
    };
    match kind.scalar() {
        Some(Scalar::Text(word)) if LATER.contains(&word) => Class::Later(kind),
        Some(Scalar::Text(word)) if nearest(word, [KIND]).is_none() => Class::Other(kind),
        _ => Class::Cluster,
    }
}

fn wrong_kind(source: &Source<'_>, kind: &Node, problem: Problem) -> Finding {
    let found = Some(kind.shown());
    let allowed = Some(quoted(KIND));
    Finding { found, allowed, ..source.finding(kind.at, "kind", problem) }
}
