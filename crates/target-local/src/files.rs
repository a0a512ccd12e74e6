//! Files that only their owner may read, written as a whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// For secrets and everything beside them.
pub(crate) const PRIVATE: u32 = 0o600;

/// Writes the file under a temporary name, has it on the disk, and gives it its name. A reader
/// sees the old file or the new one. One writer at a time: the state directory's lock sees to it.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path, ".new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    // A file that was left by a killed writer keeps its own mode.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&new, path)
}

/// Renames, and has the new name on the disk.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    match to.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes the folder and what leads to it; whatever it makes is the owner's alone.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a file; `None` when there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent(std::fs::read(path))
}

/// Removes a file; nothing happens when there is none.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    absent(std::fs::remove_file(path)).map(|_| ())
}

/// Removes a folder with all that is in it; nothing happens when there is none.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    absent(std::fs::remove_dir_all(path)).map(|_| ())
}

/// Turns "there is no such file" into `None`.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Renames `audit.log` to `audit.log.1`, that to `audit.log.2` and so on; the oldest beyond `keep`
/// is lost.
pub(crate) fn set_aside(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |number: u32| beside(path, &format!(".{number}"));
    for number in (1..keep).rev() {
        absent(std::fs::rename(numbered(number), numbered(number + 1)))?;
    }
    if keep == 0 { remove(path) } else { std::fs::rename(path, numbered(1)) }
}

/// How long a file is, in bytes; 0 when there is none.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    Ok(absent(std::fs::metadata(path))?.map_or(0, |file| file.len()))
}

/// The end of a file as text: what follows the first `from` bytes, at most `most` of it.
pub(crate) fn tail(path: &Path, from: u64, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = from.max(length.saturating_sub(most));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path with something added to its last part.
fn beside(path: &Path, added: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(added);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_its_owners_alone_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(folder.path().join("key.new"), "left by a killed writer").unwrap();
        write(&path, b"one", PRIVATE).unwrap();
        write(&path, b"two", PRIVATE).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_oldest_of_the_files_set_aside_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for text in ["a", "b", "c", "d"] {
            std::fs::write(&path, text).unwrap();
            set_aside(&path, 3).unwrap();
        }
        let kept = |number: u32| std::fs::read_to_string(beside(&path, &format!(".{number}")));
        assert_eq!(kept(1).unwrap(), "d");
        assert_eq!(kept(3).unwrap(), "b");
        assert!(kept(4).is_err());
    }

    #[test]
    fn the_tail_begins_where_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(tail(&path, 7, 100).unwrap(), "789");
        assert_eq!(tail(&path, 0, 4).unwrap(), "6789");
    }
}
