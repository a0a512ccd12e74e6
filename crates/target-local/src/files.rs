//! Logs that grow and are set aside, and folders that go.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use vaultyard_durable::{absent, remove};

/// Removes a folder with all that is in it; nothing happens when there is none.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    absent(std::fs::remove_dir_all(path)).map(|_| ())
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
