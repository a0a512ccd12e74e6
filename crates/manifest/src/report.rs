//! What was found so far while a document is looked at.

use crate::finding::{At, Finding, Problem};
use crate::source::Source;

/// Gathers what is wrong with one document.
pub(crate) struct Report<'a> {
    source: &'a Source<'a>,
    document: Option<usize>,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// Goes on after what was found so far.
    pub(crate) fn new(
        source: &'a Source<'a>,
        document: Option<usize>,
        findings: Vec<Finding>,
    ) -> Self {
        Self { source, document, findings }
    }

    /// Adds a finding; the caller fills in what was found, what is allowed and what to do.
    pub(crate) fn add(&mut self, at: At, path: &str, problem: Problem) -> &mut Finding {
        let mut finding = self.source.finding(at, path, problem);
        finding.document = self.document;
        let index = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[index]
    }

    /// Whether the value at `path` may not be what the person meant: it, a part of it or what holds
    /// it is wrong, or a field beside it has a name that nobody knows.
    pub(crate) fn is_faulty(&self, path: &str) -> bool {
        self.findings.iter().any(|finding| match finding.problem {
            Problem::UnknownField => parent(&finding.path) == parent(path),
            _ if finding.path.is_empty() => false,
            _ => is_within(path, &finding.path) || is_within(&finding.path, path),
        })
    }

    /// Whether a part of what lies at `path` is known to be wrong.
    pub(crate) fn is_faulty_within(&self, path: &str) -> bool {
        self.findings.iter().any(|finding| is_within(path, &finding.path))
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// What was found.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

/// The path of what holds the field.
fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Whether `inner` is `outer` or a part of it.
fn is_within(outer: &str, inner: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
