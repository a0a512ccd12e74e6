//! Files that grow by what others write into them: renamed when they are too large, then opened anew
//! by who writes. No line is lost, since he writes to the renamed file until he has opened the new one.

use std::io;
use std::path::{Path, PathBuf};

use crate::{absent, remove};

/// When a file is set aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Larger files are set aside, in bytes.
    pub bytes: u64,
    /// How many are kept beside the present one.
    pub keep: u32,
}

/// What is kept of a server's audit file.
pub const AUDIT: Limit = Limit { bytes: 64 << 20, keep: 3 };

/// Sets the file aside when it is too large: `audit.log` is `audit.log.1` then, that is `audit.log.2`
/// and so on, and the oldest is lost. Says whether who writes must be told to open it anew: also when
/// he was not told the last time, and still writes to the file that was set aside.
///
/// # Errors
/// The file system's; the writer goes on with the file that he has.
pub fn set_aside(path: &Path, limit: Limit) -> io::Result<bool> {
    match length(path)? {
        Some(length) if length > limit.bytes => {}
        Some(_) => return Ok(false),
        None => return beside(path, 1).try_exists(),
    }
    for number in (1..limit.keep).rev() {
        absent(std::fs::rename(beside(path, number), beside(path, number + 1)))?;
    }
    if limit.keep == 0 { remove(path) } else { std::fs::rename(path, beside(path, 1)) }?;
    Ok(true)
}

/// How long a file is, in bytes; `None` when there is none.
fn length(path: &Path) -> io::Result<Option<u64>> {
    Ok(absent(std::fs::metadata(path))?.map(|file| file.len()))
}

fn beside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LIMIT: Limit = Limit { bytes: 3, keep: 3 };

    #[test]
    fn the_oldest_of_the_files_set_aside_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for text in ["aaaa", "bbbb", "cccc", "dddd"] {
            fs::write(&path, text).unwrap();
            assert!(set_aside(&path, LIMIT).unwrap());
        }
        let kept = |number| fs::read_to_string(beside(&path, number));
        assert_eq!(kept(1).unwrap(), "dddd");
        assert_eq!(kept(3).unwrap(), "bbbb");
        assert!(kept(4).is_err());
    }

    #[test]
    fn who_was_not_told_is_told_later_and_a_small_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(!set_aside(&path, LIMIT).unwrap(), "there never was one");
        fs::write(&path, "aaa").unwrap();
        assert!(!set_aside(&path, LIMIT).unwrap());
        fs::write(&path, "aaaa").unwrap();
        assert!(set_aside(&path, LIMIT).unwrap());
        assert!(set_aside(&path, LIMIT).unwrap(), "nobody has opened a new one");
        assert_eq!(fs::read_to_string(beside(&path, 1)).unwrap(), "aaaa");
    }
}
