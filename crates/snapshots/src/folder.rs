//! The snapshots of a cluster: a folder, one file each.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vaultyard_durable::{self as durable, Unnamed};

use crate::file::{self, FileError, Header};

/// Of a file, and of an object elsewhere.
pub(crate) const EXTENSION: &str = "snapshot";
/// Of a name, in UTC.
const FORM: &str = "%Y%m%dT%H%M%SZ";
/// No snapshot takes so long: what is still without a name then is what a kill has left.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The name of a snapshot: the second in which it was begun, as in `20261129T225620Z`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name of one that is begun now.
    pub fn at(now: Timestamp) -> Self {
        Self(now.strftime(FORM).to_string())
    }

    /// What a person wrote; `None` when it names no snapshot.
    pub fn parse(text: &str) -> Option<Self> {
        let name = Self(text.to_owned());
        (Self::at(name.time()?) == name).then_some(name)
    }

    /// The second in which it was begun.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        let time = jiff::civil::DateTime::strptime(FORM, &self.0).ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A snapshot that is kept.
#[derive(Debug)]
pub struct Kept {
    /// Its name.
    pub name: Name,
    /// Its size, in bytes.
    pub bytes: u64,
    /// What it says of itself, unproven.
    pub header: Result<Header, FileError>,
    /// When it was last restored, to see that it can be.
    pub proven: Option<Timestamp>,
    /// The place that it is in, when that is not the folder.
    pub elsewhere: Option<String>,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The one at this path. It is made with its first snapshot.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file for a new snapshot.
    ///
    /// # Errors
    /// The file system's.
    pub fn begin(&self, name: &Name, now: Timestamp) -> io::Result<Unnamed> {
        durable::make_private_folder(&self.path)?;
        self.tidy(now)?;
        Unnamed::beside(&self.file(name))
    }

    /// All of them, the oldest first. Other files are left alone.
    ///
    /// # Errors
    /// The file system's.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let mut all = Vec::new();
        for entry in durable::absent(std::fs::read_dir(&self.path))?.into_iter().flatten() {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let ours = path.extension().is_some_and(|extension| extension == EXTENSION);
            if let (true, Some(name)) = (ours, stem.and_then(Name::parse)) {
                // One may be removed while they are listed.
                let Some(metadata) = durable::absent(std::fs::metadata(&path))? else { continue };
                let bytes = metadata.len();
                let opened = File::open(&path).map_err(FileError::Read).map(BufReader::new);
                let header = opened.and_then(file::open).map(|opened| opened.header().clone());
                let proven = self.proven(&name)?;
                all.push(Kept { name, bytes, header, proven, elsewhere: None });
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// The file of one, and how many bytes it has; `None` when there is none of this name.
    pub(crate) fn open(&self, name: &Name) -> io::Result<Option<(File, u64)>> {
        let Some(file) = durable::absent(File::open(self.file(name)))? else { return Ok(None) };
        let length = file.metadata()?.len();
        Ok(Some((file, length)))
    }

    /// A file that never has a name and goes when it is closed.
    pub(crate) fn nameless(&self) -> io::Result<File> {
        durable::make_private_folder(&self.path)?;
        tempfile::tempfile_in(&self.path)
    }

    /// Removes one, and the note that it was proven.
    ///
    /// # Errors
    /// The file system's; the call can be repeated.
    pub fn remove(&self, name: &Name) -> io::Result<()> {
        durable::remove(&self.file(name))?;
        durable::remove(&self.proof(name))
    }

    /// Notes that this one was restored, to see that it can be.
    ///
    /// # Errors
    /// The file system's.
    pub fn note_proven(&self, name: &Name, at: Timestamp) -> io::Result<()> {
        durable::replace(&self.proof(name), format!("{at}\n").as_bytes(), durable::PRIVATE)
    }

    /// When that was; nothing also where the note is damaged, which a new proof mends.
    fn proven(&self, name: &Name) -> io::Result<Option<Timestamp>> {
        let note = durable::read(&self.proof(name))?;
        let text = note.and_then(|note| String::from_utf8(note).ok());
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    fn proof(&self, name: &Name) -> PathBuf {
        self.path.join(format!("{name}.proven"))
    }

    fn file(&self, name: &Name) -> PathBuf {
        self.path.join(format!("{name}.{EXTENSION}"))
    }

    /// Removes what was begun long ago and never finished.
    fn tidy(&self, now: Timestamp) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let unfinished =
                entry.file_name().to_str().is_some_and(|name| durable::is_temporary_of("", name));
            let changed = Timestamp::try_from(entry.metadata()?.modified()?).ok();
            let age = changed.and_then(|then| Duration::try_from(now.duration_since(then)).ok());
            if unfinished && age.is_some_and(|age| age > ABANDONED) {
                durable::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_second_in_which_it_was_begun() {
        let at = "2026-11-29T22:56:20.9Z".parse().unwrap();
        assert_eq!(Name::at(at).to_string(), "20261129T225620Z");
        assert_eq!(Name::parse("20261129T225620Z"), Some(Name::at(at)));
        for wrong in ["", "latest", "20261129T225620", "20261331T225620Z", "../20261129T225620Z"] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_never_finished_goes_after_a_day_and_the_rest_stays() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().join("snapshots"));
        let now = Timestamp::now();
        assert!(folder.list().unwrap().is_empty(), "there is no folder yet");
        let name = Name::at(now);
        std::mem::forget(folder.begin(&name, now).unwrap());
        std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(folder.begin(&name, now).unwrap());
        assert_eq!(files(), 2);
        drop(folder.begin(&name, now + 2 * ABANDONED).unwrap());
        assert_eq!(files(), 1);
        assert!(folder.list().unwrap().is_empty());
        assert!(folder.open(&name).unwrap().is_none());
    }
}
