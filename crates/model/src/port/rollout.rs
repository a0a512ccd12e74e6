//! What can change the servers of a cluster, one at a time: by ending one and starting it as the document
//! says, by having one more, or one less. In which order, and when, is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::host::HostError;
use crate::{ServerName, Version};

/// In what a server is not as the document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    /// In what it is told when it starts. Also in its version, where that never unsealed it and the
    /// document says again what it was before: nothing was written by it.
    Configuration,
    /// In its version, whatever else.
    Version,
}

/// A change of the servers' version, and the snapshot that it is bound to, unless none was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionChange {
    /// From these versions.
    pub from: BTreeSet<Version>,
    /// To this version.
    pub towards: Version,
    /// The name of the snapshot from before it; `None` where a person wanted none.
    pub snapshot: Option<String>,
    /// When that was taken, or would have been.
    pub taken: Timestamp,
    /// Whether a server of the new version may have led: then what it has written is there.
    pub led: bool,
}

/// So long after it was begun a snapshot counts as one from just before a change that has not begun; a large one must
/// have come to its bucket meanwhile.
const FRESH: SignedDuration = SignedDuration::from_mins(30);

impl VersionChange {
    /// Whether its snapshot is the one from before a change that has `begun` or begins `now`. That none was wanted counts
    /// for another beginning only where none is `wanted` again.
    pub fn covers(&self, begun: bool, wanted: bool, now: Timestamp) -> bool {
        let of_use = self.snapshot.is_some() || !wanted;
        begun || of_use && now.duration_since(self.taken) < FRESH
    }

    /// Whether the old version `wanted` could lead again, since the new one has written nothing yet.
    pub fn leads_back_to(&self, wanted: &Version) -> bool {
        !self.led && self.from.contains(wanted)
    }
}

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which document this is about; a person who asks once more gets a new number.
    pub generation: u64,
    /// The version that the document says.
    pub version: Version,
    /// The servers that the document asks for.
    pub servers: BTreeSet<ServerName>,
    /// Those that stand and were started otherwise than the document says.
    pub stale: BTreeMap<ServerName, Stale>,
    /// Whether there is a snapshot from before this change of version, or none is wanted.
    pub snapshot: bool,
    /// Why no server may be ended now, whatever else is true.
    pub hindrance: Option<String>,
}

/// The servers of one cluster, as what changes them.
#[async_trait]
pub trait Rollout: Send + Sync {
    /// How far it is now.
    ///
    /// # Errors
    /// [`HostError`] when that cannot be told.
    async fn standing(&self) -> Result<Standing, HostError>;

    /// Takes the snapshot to which this change of version is bound.
    ///
    /// # Errors
    /// [`HostError`] when there is none; the call can be repeated.
    async fn take_snapshot(&self) -> Result<(), HostError>;

    /// Ends the server and starts it as the document says, if that still says `version`. Requests are
    /// held while one that `leads` goes, until another one leads. Returns when it is sure that it goes, and
    /// that whoever asks next sees that: how the next one fares is seen as ever.
    ///
    /// # Errors
    /// [`HostError`] when it could not be ended, or must not be any more: what it was decided by has
    /// changed meanwhile.
    async fn replace(
        &self,
        server: &ServerName,
        leads: bool,
        version: &Version,
    ) -> Result<(), HostError>;

    /// Has this server stand too: it is started, joins the others and is unsealed, as is seen then.
    ///
    /// # Errors
    /// [`HostError`] when it cannot be had; the call can be repeated.
    async fn add(&self, server: &ServerName) -> Result<(), HostError>;

    /// Takes this server, which does not lead, out of raft, ends it for good and removes its data.
    ///
    /// # Errors
    /// [`HostError`] when it must not go any more, or is still there in part; the call can be repeated.
    async fn remove(&self, server: &ServerName) -> Result<(), HostError>;

    /// Notes that this server was seen to be what the document says, unsealed. Until then it can be
    /// taken back to what it was before.
    ///
    /// # Errors
    /// [`HostError`] when that cannot be kept; the call can be repeated.
    async fn note_well(&self, server: &ServerName) -> Result<(), HostError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_no_snapshot_was_wanted_covers_no_change_before_which_one_is() {
        let taken = Timestamp::UNIX_EPOCH;
        let change = |snapshot: Option<&str>| VersionChange {
            from: BTreeSet::new(),
            towards: Version::new("2.7.2").unwrap(),
            snapshot: snapshot.map(str::to_owned),
            taken,
            led: false,
        };
        let later = taken + FRESH;
        for (snapshot, wanted, now, expected) in [
            (Some("s"), true, taken, true),
            (Some("s"), true, later, false),
            (None, true, taken, false),
            (None, false, taken, true),
        ] {
            let change = change(snapshot);
            assert_eq!(change.covers(false, wanted, now), expected, "{snapshot:?} {wanted} {now}");
            assert!(change.covers(true, wanted, now), "it has begun");
        }
    }
}
