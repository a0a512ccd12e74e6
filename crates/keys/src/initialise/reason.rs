//! Why nothing is done, or nothing more: what `why`, `status` and the log print.

use jiff::Timestamp;
use vaultyard_model::ServerName;

use super::seen::{Absence, Trouble};
use crate::record::Generation;

/// Why the unsealer of a server does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It goes on by itself when this has passed.
    #[error("waiting: {0}")]
    Waiting(#[from] Waiting),
    /// It needs somebody who does what the text says. It is looked at again and again all the
    /// same, so that nothing else has to be told when that is done.
    #[error("stuck: {0}")]
    Stuck(#[from] Stuck),
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The server.
    #[error("the server does not answer ({0})")]
    Server(String),
    /// The server, which says something that is no state.
    #[error("the server is not ready ({0})")]
    Odd(String),
    /// The other servers: before one is initialised or wiped, all of them must say that they are
    /// not initialised.
    #[error("every other server must answer first; silent: {}", list(.0))]
    Peers(Vec<ServerName>),
    /// Room.
    #[error(
        "{} MiB are free on the server's disk; at least {} are needed before it is initialised",
        free >> 20, least >> 20
    )]
    Room {
        /// What there is, in bytes.
        free: u64,
        /// What is needed, in bytes.
        least: u64,
    },
    /// The server could not be initialised, again and again.
    #[error(
        "initialising has failed {times} times, and the server was wiped each time; the last time \
         it {why}. It is tried again at {again:.0}"
    )]
    LostAnswers {
        /// How often, since this process began.
        times: u32,
        /// What became of the last request.
        why: String,
        /// When it is tried again.
        again: Timestamp,
    },
    /// A server that joins waits until the cluster has an unsealed server.
    #[error("it joins as soon as another server is unsealed")]
    ToJoin,
    /// A server that joins hangs, and cannot be replaced yet.
    #[error(
        "it hangs in the middle of joining ({0}); it is replaced as soon as a majority of the others \
         is active"
    )]
    ToBeReplaced(String),
    /// A server that was taken out of raft cannot be replaced yet.
    #[error(
        "it was taken out of raft, and does not hear of writes any more; it begins anew as soon as a \
         majority of the others is active"
    )]
    TakenOut,
    /// A server with a seal of its own does not join before the keys of the cluster are safe.
    #[error("it joins as soon as the keys of the cluster are in the store")]
    Keys,
    /// A server with a seal of its own is sealed.
    #[error(
        "its own seal opens it, as soon as what `spec.seal` names answers; one that was sealed by hand \
         opens when its process is started again"
    )]
    Seal,
    /// A server that joins has not heard from the cluster yet.
    #[error("it joins, and has not heard from an unsealed server yet")]
    Challenge,
    /// The shares were given.
    #[error("all shares were given; the server is unsealing")]
    Unsealing,
    /// Something that failed and may pass.
    #[error("{0}")]
    Trouble(String),
}

/// What somebody must do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// Something that failed and does not pass by itself.
    #[error("{0}")]
    Trouble(String),
    /// The store has lost the keys of a cluster that is in use.
    #[error(
        "the keys of {0} were in the store and are not there any more: the store was lost or rolled \
         back, or another one is configured. Nothing is wiped. Bring the store back, from a backup \
         or from older versions of its objects"
    )]
    StoreLost(Generation),
    /// The store has lost the intent of an initialisation.
    #[error(
        "the intent of {0} stands on the server's volume, and the store does not hold it: the store \
         was lost or rolled back, or another one is configured. Nothing is wiped. Bring the store back; or, if \
         nothing in this cluster is needed, begin anew after `vaultyard destroy` (on Kubernetes with \
         `--volumes --keys`)"
    )]
    IntentLost(Generation),
    /// The server wants keys that the store does not have.
    #[error(
        "the server is initialised, and the store holds no keys: the store was lost or rolled back, \
         or the server belongs to another cluster. Nothing is wiped. Bring the store \
         back; or, if nothing in this cluster is needed, begin anew after `vaultyard destroy` (on \
         Kubernetes with `--volumes --keys`)"
    )]
    KeysMissing,
    /// The keys in the store cannot be opened.
    #[error("the stored keys cannot be opened: {0}")]
    KeysUnreadable(String),
    /// The answer on the volume cannot be opened, and nobody else has the keys.
    #[error(
        "the answer of the initialisation stands on the server's volume (answer.json) and cannot \
         be opened, and the store does not have the keys yet: {0}"
    )]
    AnswerUnreadable(String),
    /// The volume and the store tell of different initialisations.
    #[error(
        "the server's volume tells of {volume}, the store of {store}: one of them belongs to another \
         cluster or was rolled back. Bring back the one that fits"
    )]
    OtherGeneration {
        /// What stands on the volume.
        volume: Generation,
        /// Whose keys the store holds.
        store: Generation,
    },
    /// Another server is initialised, and there are no keys.
    #[error(
        "not initialised, because {} {} already and the store holds no keys. A second cluster is \
         never made. Bring the store back; or, if nothing in this cluster is needed, begin anew \
         after `vaultyard destroy` (on Kubernetes with `--volumes --keys`)",
        list(.0), if .0.len() == 1 { "is" } else { "are" }
    )]
    PeerInitialised(Vec<ServerName>),
    /// The server was initialised, and not by us.
    #[error(
        "the server is initialised, and nothing on its volume or in the store says by whom. Somebody \
         has initialised it by hand, or both the volume and the store were lost. Nothing is wiped"
    )]
    NotOurs,
    /// The server was unsealed before its keys were safe, and not by us.
    #[error(
        "somebody has unsealed the server although its keys are not in the store. Nothing is wiped. \
         Save what is in it, then begin anew after `vaultyard destroy` (on Kubernetes with \
         `--volumes --keys`)"
    )]
    UnsealedByOther,
    /// There are keys, and no server has data.
    #[error(
        "the store holds the keys of {0}, and no server has any data: all of it was lost. Restore \
         the servers' data or a snapshot; or begin anew after `vaultyard destroy` (on Kubernetes \
         with `--volumes --keys`)"
    )]
    DataLost(Generation),
    /// The server refuses the keys.
    #[error(
        "the server refuses the stored keys ({why}): its data belongs to another cluster or \
         generation. It is replaced by itself once a quorum without it is active under these keys; \
         otherwise bring back the store or the data that fits"
    )]
    KeysRefused {
        /// What it said.
        why: String,
    },
}

impl From<&Trouble> for Reason {
    fn from(trouble: &Trouble) -> Self {
        let text = trouble.text.clone();
        if trouble.passes { Waiting::Trouble(text).into() } else { Stuck::Trouble(text).into() }
    }
}

impl From<&Absence> for Reason {
    fn from(absence: &Absence) -> Self {
        match absence {
            Absence::Silent(why) => Waiting::Server(why.clone()).into(),
            Absence::Odd(what) => Waiting::Odd(what.clone()).into(),
        }
    }
}

fn list(servers: &[ServerName]) -> String {
    servers.iter().map(ServerName::as_str).collect::<Vec<_>>().join(", ")
}
