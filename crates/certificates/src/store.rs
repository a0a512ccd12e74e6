//! Where keys and certificates lie: each under a name, in a folder or among the entries of
//! something that is read and written as a whole.

mod entries;
mod folder;

use std::fmt;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

pub use entries::Entries;
pub use folder::Folder;

/// PEM texts by their names. A name is that of a file, `root.crt`, without a folder.
pub trait PemStore {
    /// Makes the store ready to be written to, and shuts everybody but the owner out of it.
    ///
    /// # Errors
    /// [`FileError`], as for all of these.
    fn prepare(&mut self) -> Result<(), FileError>;

    /// The whole text; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`FileError`]
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError>;

    /// Writes one text, in place of the one that is there.
    ///
    /// # Errors
    /// [`FileError`]; the old text is then as it was.
    fn write(&mut self, name: &str, bytes: &[u8], access: Access) -> Result<(), FileError>;

    /// Writes a key and its certificate, so that a reader sees old beside new only for a moment.
    ///
    /// # Errors
    /// [`FileError`]; both are then as they were.
    fn write_pair(
        &mut self,
        key: (&str, &[u8]),
        certificate: (&str, &[u8]),
    ) -> Result<(), FileError>;

    /// Where a text of this name lies, for people.
    fn location(&self, name: &str) -> Location;
}

/// Who may read a text. Entries that are kept as a whole are as private as the most private one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner alone: keys.
    Private,
    /// Everybody who may look into the store: certificates.
    Public,
}

/// The name under which the certificate of `name` is stored.
pub(crate) fn certificate_name(name: &str) -> String {
    format!("{name}.crt")
}

/// The name under which the key of `name` is stored.
pub(crate) fn key_name(name: &str) -> String {
    format!("{name}.key")
}

/// Where a text lies, for people: it names the store and the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(Box<Place>);

/// Boxed, so that errors that name two of them stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    store: StoreName,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum StoreName {
    Folder(PathBuf),
    Entries(String),
}

impl Location {
    fn new(store: StoreName, name: &str) -> Self {
        Self(Box::new(Place { store, name: name.to_owned() }))
    }

    /// The name of the text in its store: `root.crt`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What helps when a text of an authority is lost or wrong.
    pub(crate) fn remedy(&self) -> String {
        let (restored, put_away) = match &self.0.store {
            StoreName::Folder(path) => (format!("the folder {}", path.display()), "move it away"),
            StoreName::Entries(title) => {
                (format!("the {title}"), "save a copy of it elsewhere and delete it")
            }
        };
        format!(
            "restore {restored} from a backup, or {put_away} to start a new authority, whose new \
             root every client must then be given"
        )
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.store {
            StoreName::Folder(path) => path.join(&self.0.name).display().fmt(f),
            StoreName::Entries(title) => write!(f, "{} of the {title}", self.0.name),
        }
    }
}

/// A file or folder that could not be used. Entries in memory have no such error.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was tried: `read`, `write` ...
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}
