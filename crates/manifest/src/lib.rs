//! The documents people write: read with every fault at once, published as schemas, explained.
//!
//! The types in `document` are the one description of every field. Their JSON schema is distilled
//! into a shape, and the shape drives everything else:
//!
//! ```text
//! bytes ──source──▶ text ──yaml──▶ nodes with positions ──stream──▶ the VaultCluster
//!                                                                        │
//! document types ──shape──▶ check (structure) ◀───────────────────────────┘
//!        │          ├─────▶ schema, crd, explain
//!        └──serde──▶ values ──rules (between fields)──▶ cluster ──▶ vaultyard_model::Cluster
//! ```
//!
//! Everything here is pure: text in, values or findings out.

mod check;
mod cluster;
mod document;
mod edit;
mod explain;
mod finding;
mod format;
mod nearest;
mod node;
mod owned;
mod report;
mod rules;
mod scalar;
mod schema;
mod shape;
mod source;
mod stream;
mod yaml;

use std::fmt;

pub use vaultyard_model::Cluster;
use vaultyard_model::ClusterName;

use report::Report;
use source::Source;
use stream::Chosen;
use yaml::Read;

pub use edit::{EditError, with_version};
pub use explain::{Explanation, Field, UnknownPath, explain, outline};
pub use finding::{Excerpt, Finding, Findings, Problem};
pub use owned::{OWNED_SETTINGS, OwnedSetting};
pub use rules::Rule;
pub use schema::{crd, schema};
pub use source::LARGEST;
pub use yaml::Unreadable;

/// The `apiVersion` of every document of this version.
pub const API_VERSION: &str = "vaultyard.dev/v1alpha1";
/// The `kind` of the document that declares a cluster.
pub const KIND: &str = "VaultCluster";
/// What `vaultyard up` delivers when there is no file: the name only, every default.
pub const BUILT_IN: &str = include_str!("built-in.yaml");

/// Where a cluster is to run. Some fields have a meaning on one target only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Server processes on this machine.
    Local,
    /// Pods.
    Kubernetes,
}

impl Target {
    /// The word of `--target`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the one `VaultCluster` of a file. `file` is only the name that findings give.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines. What cannot be read as YAML, or has
/// more than [`LARGEST`] bytes, is one finding.
pub fn parse(file: &str, content: impl AsRef<[u8]>, target: Target) -> Result<Cluster, Findings> {
    let source = Source::new(file, content.as_ref())?;
    let Read { documents, mut findings } = yaml::read(&source)?;
    let chosen = stream::cluster_document(&source, &documents, target, &mut findings);
    let Some(Chosen { root, number }) = chosen else {
        return Err(Findings::new(findings));
    };
    let mut report = Report::new(&source, number, findings);
    let document = check::check(root, target, &mut report);
    if let Some(document) = &document {
        rules::check(document, root, target, &mut report);
    }
    let cluster = document.and_then(|document| cluster::settle(&document, root, &mut report));
    let findings = report.into_findings();
    match cluster {
        Some(cluster) if findings.is_empty() => Ok(cluster),
        _ => Err(Findings::new(findings)),
    }
}

/// The built-in cluster under another name. It is read by the same path as every document.
///
/// # Errors
/// [`Findings`] when the name cannot be used: `active` and `standby` are names of roles.
pub fn built_in(name: &ClusterName, target: Target) -> Result<Cluster, Findings> {
    let text = BUILT_IN.replace("name: vault", &format!("name: {:?}", name.as_str()));
    parse("built-in", text, target)
}
