//! Audit files that do not grow for ever: renamed, then opened anew by the server. No line is
//! lost, because the server writes to the renamed file until it has opened the new one.

use std::io;

use crate::files;
use crate::state::paths::ServerFolder;

/// When an audit file is set aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLimit {
    /// Larger files are set aside, in bytes.
    pub bytes: u64,
    /// How many are kept beside the present one.
    pub keep: u32,
}

impl Default for AuditLimit {
    fn default() -> Self {
        Self { bytes: 64 << 20, keep: 3 }
    }
}

/// Sets the audit file aside when it is too large. Says whether the server must be told (SIGHUP).
///
/// # Errors
/// The file system's; the server goes on writing to the file it has.
pub fn set_aside(folder: &ServerFolder, limit: AuditLimit) -> io::Result<bool> {
    let path = folder.audit();
    if files::length(&path)? <= limit.bytes {
        return Ok(false);
    }
    files::set_aside(&path, limit.keep)?;
    Ok(true)
}
