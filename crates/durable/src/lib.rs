//! Small files that survive a kill and a loss of power: each is written as a whole or not at all,
//! and when a call returns, what it did is on the disk.
//!
//! A file is written under a temporary name beside its place, brought to the disk, and given its
//! name; then the folder is brought to the disk too, without which the name could be lost again.
//! A process that is killed before the name is given leaves the temporary file, which
//! [`is_temporary_of`] knows.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

pub mod growing;
mod unnamed;

pub use unnamed::Unnamed;

/// The mode of secrets and everything beside them: for the owner alone.
pub const PRIVATE: u32 = 0o600;
/// The mode of what everybody may read who may look into the folder: certificates.
pub const PUBLIC: u32 = 0o644;

/// The end of a temporary file's name.
const TEMPORARY: &str = ".new";

/// Makes a folder that only its owner can enter, with those above it, when it is not there. Each is
/// on the disk before the next one is made: a file is no safer than the way to it.
///
/// # Errors
/// The file system's.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_private_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder_of(path),
    }
}

/// Creates a file ([`PRIVATE`]) where none is. `false` when there is one already; it is left as it
/// is.
///
/// # Errors
/// The file system's.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut file = Unnamed::beside(path)?;
    file.write_all(bytes)?;
    file.create()
}

/// Writes a file with this mode, in place of the one that is there.
///
/// # Errors
/// The file system's; the old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_together(&[(path, bytes, mode)])
}

/// The same, unless the file holds these bytes already: then a full disk is in nobody's way.
///
/// # Errors
/// As [`replace`].
pub fn keep(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match read(path) {
        Ok(Some(present)) if present == bytes => Ok(()),
        _ => replace(path, bytes, mode),
    }
}

/// Writes files of one folder that belong together, each with its mode. All are complete before the
/// first gets its name, so that a reader sees old beside new only between the renames.
///
/// # Errors
/// The file system's. When one of them cannot be written, all are as they were.
pub fn replace_together(files: &[(&Path, &[u8], u32)]) -> io::Result<()> {
    let staged = files.iter().map(|(path, bytes, mode)| stage(path, bytes, *mode));
    let staged = staged.collect::<io::Result<Vec<_>>>()?;
    for (file, (path, ..)) in staged.into_iter().zip(files) {
        file.persist(path)?;
    }
    files.first().map_or(Ok(()), |(path, ..)| sync_folder_of(path))
}

/// Gives a complete file another name in place of whatever has it.
///
/// # Errors
/// The file system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Removes a file; nothing happens when there is none.
///
/// # Errors
/// The file system's.
pub fn remove(path: &Path) -> io::Result<()> {
    match absent(fs::remove_file(path))? {
        Some(()) => sync_folder_of(path),
        None => Ok(()),
    }
}

/// Reads a file; `None` when there is none.
///
/// # Errors
/// The file system's.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent(fs::read(path))
}

/// Reads a file; `None` when there is none. A folder that is not there is an error: it was made
/// before, so what it held is lost, not absent.
///
/// # Errors
/// The file system's.
pub fn read_from_standing_folder(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let found = read(path)?;
    match path.parent() {
        Some(folder) if found.is_none() && !folder.is_dir() => Err(io::Error::new(
            ErrorKind::NotFound,
            format!("the folder {} is gone", folder.display()),
        )),
        _ => Ok(found),
    }
}

/// Turns "there is no such file" into `None`.
///
/// # Errors
/// Every other error.
pub fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether `name` is that of a temporary file which a killed writer of a file whose name begins
/// with `of` may have left.
pub fn is_temporary_of(of: &str, name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(TEMPORARY));
    inner.is_some_and(|inner| inner.starts_with(of))
}

/// A complete file on the disk that does not have its name yet. Dropped, it is removed.
fn stage(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut file = temporary(path, mode)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// An empty file beside the place of another one.
fn temporary(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(TEMPORARY)
        .tempfile_in(folder_of(path))?;
    // Not left to the umask, which may take from it.
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests;
