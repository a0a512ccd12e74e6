//! What the unsealer of one server has seen: plain values, without a secret.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use vaultyard_model::ServerName;
use vaultyard_model::port::server::KeyKind;

use crate::record::Generation;

/// All that a decision is made from. What was not looked at is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The server whose unsealer this is.
    pub server: ServerName,
    /// When the round began.
    pub now: Timestamp,
    /// What the keys are good for: whether the server is unsealed with them, or opened by a seal of its
    /// own.
    pub kind: KeyKind,
    /// How the server is.
    pub own: Own,
    /// What this process knows from its own steps.
    pub memory: Memory,
    /// The records on the server's own volume.
    pub volume: Option<Result<VolumeSeen, Trouble>>,
    /// What the store holds.
    pub store: Option<Result<StoreSeen, Trouble>>,
    /// How the other servers are.
    pub peers: Option<BTreeMap<ServerName, PeerSeen>>,
    /// Where the leader's API is, when another server leads.
    pub leader: Option<Option<String>>,
    /// Room on the server's disk, in bytes.
    pub free: Option<Result<u64, String>>,
    /// What the rest of the cluster says of this server.
    pub membership: Option<Result<Membership, String>>,
}

impl Seen {
    /// Whether `at` lies less than `span` back. A clock that was set back makes the past lie in
    /// the future; that is not recent.
    pub(super) fn is_recent(&self, at: Timestamp, span: SignedDuration) -> bool {
        (SignedDuration::ZERO..span).contains(&self.now.duration_since(at))
    }
}

/// How the server itself is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// Nothing is known of it.
    Absent(Absence),
    /// Not initialised.
    Uninitialised,
    /// Sealed.
    Sealed {
        /// How many shares it needs; 0 while it has not heard from the cluster that it joins.
        threshold: u8,
    },
    /// It says that it is sealed, and hangs when it is asked about its seal; with the reason.
    Hangs(String),
    /// Unsealed.
    Unsealed,
}

/// Why nothing is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// It gave no answer, and why.
    Silent(String),
    /// It answered with something that is no state; it is starting, or in the middle of something.
    Odd(String),
}

/// How another server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSeen {
    /// It gave no answer that tells.
    Silent,
    /// Not initialised.
    Uninitialised,
    /// Initialised, whatever else.
    Initialised,
}

/// Something that could not be looked at, or a step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether it may pass by itself.
    pub passes: bool,
    /// What, and what to do.
    pub text: String,
}

/// The records on a server's own volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeSeen {
    /// Whose intent stands there.
    pub intent: Option<Generation>,
    /// Whose answer stands there; or that one does and cannot be opened.
    pub answer: Option<Result<Generation, Trouble>>,
    /// Whose keys were proven to be in the store.
    pub released: Option<Generation>,
}

impl VolumeSeen {
    /// Whose keys this server needs, as far as its volume tells.
    pub(super) fn generation(&self) -> Option<&Generation> {
        self.released.as_ref().or(self.intent.as_ref())
    }
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreSeen {
    /// The highest number of an attempt; 0 when there was none.
    pub attempts: u32,
    /// The attempts whose intent stands there and can be read.
    pub intents: Vec<Generation>,
    /// The keys; or that there are some and they cannot be opened.
    pub keys: Option<Result<Generation, Trouble>>,
}

/// What the rest of the cluster says of a server whose data it does not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Whether enough voters without this server are unsealed and caught up, and one leads.
    pub quorum_without: bool,
    /// Whether the stored keys have unsealed one of these voters; or, where keys unseal nothing, whether
    /// the cluster itself says that the way back in was proven with them.
    pub keys_proven_elsewhere: bool,
    /// Whether this server is in the raft configuration.
    pub member: bool,
}

/// What this process has done and knows. Everything here is lost when it dies, and every decision
/// is right without it; it only saves work and tells apart what was asked and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// A random key was encrypted and decrypted.
    pub encryption_probed: bool,
    /// The store has taken, given back and refused to replace a random object.
    pub store_probed: bool,
    /// The intent that this process has created in the store.
    pub recorded: Option<Generation>,
    /// The intent that stands in both places and for which the server was not asked yet, or not
    /// reached.
    pub may_request: Option<Generation>,
    /// The answers that were lost since this process began.
    pub lost: Option<LostAnswers>,
    /// The intent for whose lost answer the server was wiped.
    pub wiped: Option<Generation>,
    /// The answer of the server, in memory.
    pub answer: Option<Answer>,
    /// The keys from the store, decrypted and in memory.
    pub keys: Option<Generation>,
    /// Whose keys in the store are known to be the answer, or have unsealed this server.
    pub proven: Option<Generation>,
    /// All shares were given to this process of the server.
    pub given: Option<Given>,
    /// Which rekey made the shares that were given last and have not unsealed the server yet. A server that
    /// joins does not say that they are others; it does not answer, or stays sealed.
    pub tried: Option<Option<u32>>,
    /// The server has refused the stored keys.
    pub refused: Option<Refused>,
    /// Since when the server says that it is not initialised.
    pub uninitialised_since: Option<Timestamp>,
    /// Since when this process knows the keys.
    pub keys_since: Option<Timestamp>,
    /// When the server was told to join.
    pub told_to_join: Option<Timestamp>,
    /// How often in a row it has not answered when it was given shares.
    pub unanswered: u32,
    /// When it was last seen whether the unsealed server is a member, or when it was first seen unsealed.
    pub member_looked: Option<Timestamp>,
    /// Since when the leader says that it is none.
    pub outside_since: Option<Timestamp>,
}

/// Requests to initialise whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostAnswers {
    /// How many.
    pub times: u32,
    /// When the last of them was sent.
    pub at: Timestamp,
    /// What became of it, in the server's words where it said something.
    pub why: String,
}

/// The answer of `sys/init` in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whose.
    pub generation: Generation,
    /// Whether it was tried to keep it on the volume: with success, or not (the store then still
    /// may take it).
    pub kept: Option<bool>,
    /// Whether the store has it, as far as the store says.
    pub stored: bool,
}

/// Shares that were given and whose effect is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Of which keys.
    pub keys: Generation,
    /// Of which rekey of them.
    pub rekey: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// To which process; a new one has forgotten them.
    pub process: Option<u32>,
}

/// The server has refused the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose keys.
    pub keys: Generation,
    /// When last.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u32,
    /// What it said.
    pub why: String,
}
