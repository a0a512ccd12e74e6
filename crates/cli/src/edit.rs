//! A person's file that a command changes.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use vaultyard_durable::replace;
use vaultyard_manifest::Target;
use vaultyard_model::Version;

use crate::document::{self, Document};
use crate::failure::{Failure, Kind, bad_input, failed};

/// A file that is changed once a person has agreed.
pub(crate) struct Edit {
    file: PathBuf,
    before: String,
}

impl Edit {
    /// Gives the file the new text, unless somebody has changed it meanwhile.
    pub(crate) fn make(&self, text: &str) -> Result<(), Failure> {
        let present = std::fs::read_to_string(&self.file).map_err(failed)?;
        if present != self.before {
            let what = format!("{} was changed meanwhile", self.file.display());
            return Err(Failure::text(Kind::Failed, what).hint("nothing was changed; try again"));
        }
        self.write(text)
    }

    /// Gives the file its former text again.
    pub(crate) fn undo(&self) -> Result<(), Failure> {
        self.write(&self.before)
    }

    /// Gives the file this text, and leaves it as it is otherwise.
    fn write(&self, text: &str) -> Result<(), Failure> {
        // A link stays one.
        let file = self.file.canonicalize().map_err(failed)?;
        let mode = std::fs::metadata(&file).map_err(failed)?.permissions().mode() & 0o7777;
        replace(&file, text.as_bytes(), mode).map_err(failed)
    }
}

/// The document in this file with another version of the servers, and the change of the file that makes
/// it so. Without a file, that of the document that the cluster has, with this text.
pub(crate) fn with_version(
    file: Option<PathBuf>,
    kept: String,
    version: &Version,
    target: Target,
) -> Result<(Option<Edit>, Document), Failure> {
    let (name, before) = match &file {
        Some(file) => (file.display().to_string(), document::from_file(file, target)?.text),
        None => ("the document of the cluster".to_owned(), kept),
    };
    let edited = vaultyard_manifest::with_version(&name, &before, version, target);
    let document = document::parse(&name, edited.map_err(bad_input)?, target)?;
    Ok((file.map(|file| Edit { file, before }), document))
}
