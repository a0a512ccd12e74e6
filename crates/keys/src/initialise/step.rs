//! The steps. Each has a name, which is also its fault point.

use vaultyard_model::ServerName;

use crate::record::Generation;

/// One thing to do. It can be repeated, and the process may die before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Encrypt and decrypt a random key.
    ProbeEncryption,
    /// Create, read back, fail to replace and discard a random object.
    ProbeStore,
    /// Create the intent of this attempt in the store.
    RecordIntentInStore {
        /// Its number.
        attempt: u32,
    },
    /// Write the same intent on the server's own volume.
    RecordIntentOnVolume(Generation),
    /// Ask the server to initialise itself.
    Request(Generation),
    /// Write the answer, encrypted, on the server's own volume.
    KeepAnswerOnVolume,
    /// Create the keys in the store.
    StoreKeys,
    /// Read the keys back from the store, decrypt and compare them.
    ProveKeys(Generation),
    /// Write the record after which the server may hold data and is never wiped.
    Release(Generation),
    /// Give the shares.
    Unseal,
    /// Remove the answer from the volume; the store is proven to have it.
    ForgetAnswer,
    /// Remove the data of this server.
    Wipe(Wipe),
    /// Remove the intent from the volume of a wiped server.
    DiscardIntent(Generation),
    /// Kill the process of this server and take it out of the raft configuration of the others. One
    /// that hangs in the middle of joining would go on adding itself.
    RemovePeer(ServerName),
    /// Have this server ask the leader with this URL to take it in.
    Join {
        /// The URL of the leader's API.
        leader: String,
    },
}

/// Why a wipe is allowed (invariant 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wipe {
    /// The initialising server: its answer is lost, its volume has the intent and no release, the
    /// store holds the very same intent, and no other server is initialised. There is nothing in
    /// it.
    LostAnswer(Generation),
    /// Another server: its data is under other keys, a quorum of caught-up voters is active without
    /// it, the stored keys have unsealed one of these, and it is not a member.
    ForeignData,
    /// Another server: it was ended in the middle of joining, and can neither join nor be unsealed
    /// any more. The same holds of the others.
    HalfJoined,
    /// Another server: it is unsealed, and the leader says for long that it is no member. The same holds of
    /// the others.
    TakenOut,
}

impl Step {
    /// The names of all steps, for a test that walks all fault points.
    pub const ALL_NAMES: [&str; 15] = [
        "probe-encryption",
        "probe-store",
        "record-intent-in-store",
        "record-intent-on-volume",
        "request",
        "keep-answer-on-volume",
        "store-keys",
        "prove-keys",
        "release",
        "unseal",
        "forget-answer",
        "wipe",
        "discard-intent",
        "remove-peer",
        "join",
    ];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ProbeEncryption => "probe-encryption",
            Self::ProbeStore => "probe-store",
            Self::RecordIntentInStore { .. } => "record-intent-in-store",
            Self::RecordIntentOnVolume(_) => "record-intent-on-volume",
            Self::Request(_) => "request",
            Self::KeepAnswerOnVolume => "keep-answer-on-volume",
            Self::StoreKeys => "store-keys",
            Self::ProveKeys(_) => "prove-keys",
            Self::Release(_) => "release",
            Self::Unseal => "unseal",
            Self::ForgetAnswer => "forget-answer",
            Self::Wipe(_) => "wipe",
            Self::DiscardIntent(_) => "discard-intent",
            Self::RemovePeer(_) => "remove-peer",
            Self::Join { .. } => "join",
        }
    }
}
