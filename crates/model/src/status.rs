//! The answer to "how is my cluster": the fields of `status --output json`, as plain values.

use jiff::Timestamp;

use crate::{Address, ClusterName, ServerName, Version, Zone};

/// The state of a cluster for people and programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The cluster.
    pub name: ClusterName,
    /// `local` or `kubernetes`.
    pub target: &'static str,
    /// In one word.
    pub phase: Phase,
    /// In one sentence: why it is not `Ready`, or what it is.
    pub reason: String,
    /// Where clients go.
    pub address: String,
    /// The servers, by ordinal.
    pub servers: Vec<ServerStatus>,
    /// What works for them.
    pub controllers: Vec<ControllerStatus>,
    /// What holds and what does not.
    pub conditions: Vec<Condition>,
}

/// The phase of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs yet.
    Pending,
    /// On the way to the first `Ready`: not every server is a voter yet.
    Initialising,
    /// Every server is an unsealed, caught-up voter of the right version, and the probe reads.
    Ready,
    /// It was `Ready`, and something is missing.
    Degraded,
    /// A planned change is under way.
    Upgrading,
    /// It cannot go on by itself.
    Failed,
}

impl Phase {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Initialising => "Initialising",
            Self::Ready => "Ready",
            Self::Degraded => "Degraded",
            Self::Upgrading => "Upgrading",
            Self::Failed => "Failed",
        }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its name.
    pub name: ServerName,
    /// Its zone; `None` while that is not known.
    pub zone: Option<Zone>,
    /// Its API address.
    pub address: Address,
    /// What it runs, as it says itself.
    pub version: Option<Version>,
    /// Whether it was initialised.
    pub initialized: Option<bool>,
    /// Whether it is sealed.
    pub sealed: Option<bool>,
    /// Its part.
    pub role: Role,
    /// Whether it votes.
    pub voter: Option<bool>,
    /// The highest raft index it has applied.
    pub applied_index: Option<u64>,
    /// The certificate it serves.
    pub certificate: Option<CertificateStatus>,
    /// The image, on targets that have images.
    pub image: Option<String>,
    /// How its process last ended, by itself or because of how it lived: when, and in words.
    pub last_end: Option<(Timestamp, String)>,
    /// Why it is not as it should be; empty when it is.
    pub why: Vec<String>,
}

/// The part a server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It serves requests.
    Leader,
    /// It follows.
    Standby,
    /// It does neither.
    None,
}

impl Role {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::None => "none",
        }
    }
}

/// A certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// The end of its validity.
    pub not_after: Timestamp,
}

/// A loop that works for the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerStatus {
    /// Its name: `unsealer`, `certificates`, `dns`, `proxy`.
    pub name: &'static str,
    /// Whether its last round succeeded.
    pub ready: bool,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// What it last failed with, when that is later.
    pub last_error: Option<String>,
}

/// Something that holds or does not, in the shape of Kubernetes' conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What: `Ready`, `KeyBesideData`, `RootToken`, ...
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// In one word.
    pub reason: &'static str,
    /// In a sentence.
    pub message: String,
}
