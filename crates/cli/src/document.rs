//! A document, read and checked.

use std::path::Path;

use vaultyard_manifest::{BUILT_IN, Target};
use vaultyard_model::Cluster;

use crate::failure::{Failure, Kind};

/// A document and where it came from.
#[derive(Clone)]
pub(crate) struct Document {
    /// What it declares.
    pub(crate) cluster: Cluster,
    /// Its text, as it is kept in the state directory.
    pub(crate) text: String,
    /// Whether it is the built-in one.
    pub(crate) built_in: bool,
}

impl Document {
    /// What it declares, in one line.
    pub(crate) fn headline(&self) -> String {
        let servers = &self.cluster.servers;
        let count = servers.replicas.count();
        format!(
            "{}: {count} {} of {} {}",
            self.cluster.name,
            if count == 1 { "server" } else { "servers" },
            servers.software,
            servers.version
        )
    }
}

/// The built-in document.
pub(crate) fn built_in(target: Target) -> Result<Document, Failure> {
    parse("the built-in document", BUILT_IN.to_owned(), target)
}

/// The document in this file.
pub(crate) fn from_file(path: &Path, target: Target) -> Result<Document, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::text(Kind::BadInput, format!("cannot read {}: {error}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let name = path.display().to_string();
    match String::from_utf8(bytes) {
        Ok(text) => parse(&name, text, target),
        Err(error) => match vaultyard_manifest::parse(&name, error.as_bytes(), target) {
            Err(findings) => Err(Failure::text(Kind::BadInput, findings)),
            Ok(_) => Err(Failure::text(Kind::BadInput, format!("{name} is not UTF-8 text"))),
        },
    }
}

/// The document with this text; `name` is what findings call it.
pub(crate) fn parse(name: &str, text: String, target: Target) -> Result<Document, Failure> {
    match vaultyard_manifest::parse(name, &text, target) {
        Ok(cluster) => Ok(Document { cluster, built_in: text == BUILT_IN, text }),
        Err(findings) => Err(Failure::text(Kind::BadInput, findings)),
    }
}
