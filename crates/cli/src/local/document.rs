//! Finds the document of a cluster on this machine.

use std::path::{Path, PathBuf};

use vaultyard_manifest::Target;
use vaultyard_target_local::StateDirectory;

use crate::document::{self, Document, parse};
use crate::failure::{Failure, bad_input};

/// The file that `up` takes when none is named.
const DEFAULT_FILE: &str = "vaultyard.yaml";

/// Reads the file that was named, else `./vaultyard.yaml`, else what was last brought up in
/// `folder`, else the built-in document.
pub(crate) fn find(named: Option<&Path>, folder: &Path) -> Result<Document, Failure> {
    match named_or_default(named) {
        Some(path) => from_file(&path),
        None => last_or_built_in(folder),
    }
}

/// The file that was named, else `./vaultyard.yaml` where there is one.
pub(crate) fn named_or_default(named: Option<&Path>) -> Option<PathBuf> {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
    named.map(Path::to_owned).or_else(default)
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
    document::built_in(Target::Local)
}

/// The document in this file.
pub(crate) fn from_file(path: &Path) -> Result<Document, Failure> {
    document::from_file(path, Target::Local)
}

/// What was last brought up in this state directory.
pub(crate) fn of_state(state: &StateDirectory) -> Result<Option<Document>, Failure> {
    let name = state.paths().document().display().to_string();
    state.document().map_err(bad_input)?.map(|text| kept(&name, text)).transpose()
}

/// Reads a document that was kept in a state directory.
pub(crate) fn kept(name: &str, text: String) -> Result<Document, Failure> {
    parse(name, text, Target::Local)
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
