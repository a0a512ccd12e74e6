//! What the tests share: a folder, an authority in it, a clock and random numbers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use vaultyard_certificates::authority::AuthorityError;
use vaultyard_certificates::leaf::LeafError;
use vaultyard_certificates::{Authority, Ensured, Folder, Leaf, Usage, Wanted};
use vaultyard_model::port::clock::Random;
use vaultyard_model::{ClusterName, DnsName};

/// Numbers that differ, which is all that serial numbers need in a test.
pub(crate) struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, digit) in bytes.iter_mut().rev().zip(number.iter().rev().cycle()) {
            *byte = *digit | 0x80;
        }
        Ok(())
    }
}

/// A folder with an authority, which is opened anew for each use.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) random: Counting,
    /// The real time, since rustls verifies at the real time.
    pub(crate) now: Timestamp,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, random: Counting(AtomicU64::new(1)), now: Timestamp::now() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn open(&self) -> Result<Authority, AuthorityError> {
        let cluster = ClusterName::new("vault").unwrap();
        Authority::open(&mut Folder::new(self.path("ca")), &cluster, &self.random, self.now)
    }

    pub(crate) fn authority(&self) -> Authority {
        self.open().unwrap()
    }

    pub(crate) fn ensure_at(
        &self,
        folder: &str,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<(Leaf, Ensured), LeafError> {
        Leaf::ensure(&self.path(folder), wanted, &self.authority(), &self.random, now)
    }

    pub(crate) fn ensure(&self, folder: &str, wanted: &Wanted) -> (Leaf, Ensured) {
        self.ensure_at(folder, wanted, self.now).unwrap()
    }

    pub(crate) fn after(&self, days: i64) -> Timestamp {
        self.now + SignedDuration::from_hours(24 * days)
    }
}

/// A leaf for thirty days.
pub(crate) fn wanted(usage: Usage) -> Wanted {
    let named = usage == Usage::Server;
    Wanted {
        usage,
        common_name: "vault-0".to_owned(),
        dns_names: named.then(|| DnsName::new("vault-0.vault.test").unwrap()).into_iter().collect(),
        addresses: named.then(|| "127.0.0.1".parse().unwrap()).into_iter().collect(),
        lifetime: Duration::from_secs(30 * 86_400),
    }
}
