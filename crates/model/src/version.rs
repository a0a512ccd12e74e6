//! Which version of a server software.

use std::fmt;

/// A version as the server itself reports it, without the leading `v`: `2.7.2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

/// The releases that differ in their patch level only: `2.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor {
    major: u64,
    minor: u64,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a version of the form MAJOR.MINOR.PATCH")]
pub struct VersionError;

impl Version {
    /// Reads `2.7.2`, `v2.7.2` or `1.21.1+ent`.
    ///
    /// # Errors
    /// [`VersionError`] when it is not a semantic version.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        let text = text.strip_prefix('v').unwrap_or(text);
        semver::Version::parse(text).map(Self).map_err(|_| VersionError)
    }

    /// The releases that it is one of.
    pub fn minor(&self) -> Minor {
        Minor::new(self.0.major, self.0.minor)
    }

    /// Its patch level.
    pub fn patch(&self) -> u64 {
        self.0.patch
    }
}

impl Minor {
    /// `MAJOR.MINOR`.
    pub const fn new(major: u64, minor: u64) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_and_without_its_v() {
        assert_eq!(Version::new("v2.7.2"), Version::new("2.7.2"));
        assert!(Version::new("2.6.2").unwrap() < Version::new("2.7.0").unwrap());
        assert_eq!(Version::new("2.7"), Err(VersionError));
    }
}
