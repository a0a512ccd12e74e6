//! Folders that go, and the ends of files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use vaultyard_durable::absent;

/// Removes a folder with all that is in it; nothing happens when there is none.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    absent(std::fs::remove_dir_all(path)).map(|_| ())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_begins_where_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(tail(&path, 7, 100).unwrap(), "789");
        assert_eq!(tail(&path, 0, 4).unwrap(), "6789");
    }
}
