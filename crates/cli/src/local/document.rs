//! Finds the document and reads it.

use std::path::{Path, PathBuf};

use vaultyard_manifest::{BUILT_IN, Target};
use vaultyard_model::Cluster;
use vaultyard_target_local::StateDirectory;

use crate::failure::{Failure, Kind, bad_input};

/// The file that `up` takes when none is named.
const DEFAULT_FILE: &str = "vaultyard.yaml";

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

/// Reads the file that was named, else `./vaultyard.yaml`, else what was last brought up in
/// `folder`, else the built-in document.
pub(crate) fn find(named: Option<&Path>, folder: &Path) -> Result<Document, Failure> {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
    match named.map(Path::to_owned).or_else(default) {
        Some(path) => from_file(&path),
        None => last_or_built_in(folder),
    }
}

/// What was last brought up in `folder`, else the built-in document.
pub(crate) fn last_or_built_in(folder: &Path) -> Result<Document, Failure> {
    match StateDirectory::open(folder) {
        Ok(state) => of_state(&state)?.map_or_else(built_in, Ok),
        // What is wrong with the folder is told by whoever takes it.
        Err(_) => built_in(),
    }
}

/// The built-in document.
pub(crate) fn built_in() -> Result<Document, Failure> {
    parse("the built-in document", BUILT_IN.to_owned(), true)
}

/// The document in this file.
pub(crate) fn from_file(path: &Path) -> Result<Document, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::text(Kind::BadInput, format!("cannot read {}: {error}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let name = path.display().to_string();
    match String::from_utf8(bytes) {
        Ok(text) => parse(&name, text, false),
        Err(error) => match vaultyard_manifest::parse(&name, error.as_bytes(), Target::Local) {
            Err(findings) => Err(Failure::text(Kind::BadInput, findings)),
            Ok(_) => Err(Failure::text(Kind::BadInput, format!("{name} is not UTF-8 text"))),
        },
    }
}

/// What was last brought up in this state directory.
pub(crate) fn of_state(state: &StateDirectory) -> Result<Option<Document>, Failure> {
    let name = state.paths().document().display().to_string();
    state.document().map_err(bad_input)?.map(|text| kept(&name, text)).transpose()
}

/// Reads a document that was kept in a state directory.
pub(crate) fn kept(name: &str, text: String) -> Result<Document, Failure> {
    let built_in = text == BUILT_IN;
    parse(name, text, built_in)
}

fn parse(name: &str, text: String, built_in: bool) -> Result<Document, Failure> {
    match vaultyard_manifest::parse(name, &text, Target::Local) {
        Ok(cluster) => Ok(Document { cluster, text, built_in }),
        Err(findings) => Err(Failure::text(Kind::BadInput, findings)),
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_manifest::OWNED_SETTINGS;
    use vaultyard_render::server_configuration::OWNED;

    #[test]
    fn a_document_cannot_set_what_vaultyard_sets_itself() {
        for key in OWNED {
            assert!(OWNED_SETTINGS.iter().any(|setting| setting.name == key), "{key}");
        }
    }
}
