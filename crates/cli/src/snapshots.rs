//! Takes a snapshot of the server that leads, and gives it one back; the same on every target.

use std::fs::File;
use std::io::{self, BufReader};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use vaultyard_keys::envelope::{self, Keys};
use vaultyard_keys::stored::KeyRing;
use vaultyard_model::port::custody::KeyEncryption;
use vaultyard_model::port::server::{CallError, Server};
use vaultyard_model::{ClusterName, Secret, ServerName};
use vaultyard_snapshots::file::{Header, Unlocked};
use vaultyard_snapshots::folder::{Kept, Name};
use vaultyard_snapshots::restore;
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::take::{self, TakeError, Taken};
use vaultyard_snapshots::verify::Verified;
use vaultyard_vault::Client;

use crate::failure::{Failure, Kind, failed};
use crate::output;
use crate::system::SystemRandom;

/// How many pieces may wait for whoever takes them.
const PIECES: usize = 16;
/// The longest that a server may take until what it was given is in place.
pub(crate) const IN_PLACE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);

/// A snapshot, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// What is wrong with it, when it does not even say what it is.
    pub(crate) fault: Option<String>,
    pub(crate) taken: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) version: Option<String>,
    /// Whether nobody asked for it.
    #[serde(default)]
    pub(crate) scheduled: bool,
    /// When it was last restored into a throw-away server.
    pub(crate) proven: Option<String>,
    /// The bucket that it lies in; nothing of one in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bucket: Option<String>,
}

impl Listed {
    /// When it was taken, if it says so.
    pub(crate) fn taken_at(&self) -> Option<Timestamp> {
        self.taken.as_ref()?.parse().ok()
    }
}

impl From<Kept> for Listed {
    fn from(kept: Kept) -> Self {
        let (fault, header) = match kept.header {
            Ok(header) => (None, Some(header)),
            Err(error) => (Some(error.to_string()), None),
        };
        Self {
            name: kept.name.to_string(),
            bytes: kept.bytes,
            fault,
            taken: header.as_ref().map(|header| header.taken.to_string()),
            server: header.as_ref().map(|header| header.server.clone()),
            scheduled: header.as_ref().is_some_and(|header| header.scheduled),
            version: header.map(|header| header.version),
            proven: kept.proven.map(|proven| proven.to_string()),
            bucket: kept.elsewhere,
        }
    }
}

/// The server that leads, with a login of the administrator.
pub(crate) struct Leader<'a> {
    pub(crate) cluster: &'a ClusterName,
    pub(crate) server: &'a ServerName,
    pub(crate) client: &'a Client,
    /// It ends with the snapshot.
    pub(crate) token: &'a Secret,
}

/// When one is taken, and who wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// Nobody does: it is taken by itself.
    pub(crate) scheduled: bool,
}

impl Moment {
    /// Somebody asks for it now.
    pub(crate) fn asked(now: Timestamp) -> Self {
        Self { now, scheduled: false }
    }
}

/// Takes one that is kept there; `keys` open what is restored from it.
pub(crate) async fn take(
    leader: Leader<'_>,
    keys: envelope::Header,
    encryption: &dyn KeyEncryption,
    shelf: &Shelf,
    moment: Moment,
) -> Result<Taken, Failure> {
    let Leader { cluster, server, client, token } = leader;
    let version = client.health().await.map_err(failed)?.version;
    let mut header = Header {
        cluster: cluster.to_string(),
        taken: moment.now,
        server: server.to_string(),
        version: output::or_dash(version),
        generation: keys.generation,
        rekey: keys.rekey,
        scheduled: moment.scheduled,
    };
    let taken = loop {
        let (to, pieces) = mpsc::channel(PIECES);
        let sending = async { client.with_token(token).snapshot(to).await };
        let header_now = header.clone();
        let taken = take::take(header_now, sending, pieces, shelf, encryption, &SystemRandom).await;
        match taken {
            // Names are seconds.
            Err(TakeError::Exists(_)) => {
                tokio::time::sleep(SECOND).await;
                header.taken += SECOND;
            }
            taken => break taken,
        }
    };
    // Nobody needs the token any more; it would end by itself.
    client.with_token(token).revoke_self().await.ok();
    taken.map_err(failed)
}

/// What was found of one that was verified, for programs.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) taken: String,
    pub(crate) server: String,
    pub(crate) version: String,
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) attempt: u32,
    pub(crate) intent: String,
    /// Which rekey made the keys, if one did.
    pub(crate) rekey: Option<u32>,
    /// What was seen when it was restored into a throw-away server, if that was asked for.
    pub(crate) restored: Option<Restored>,
}

/// See [`Found`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Restored {
    pub(crate) seconds: f64,
    pub(crate) mounts: usize,
    /// The version of the server that it was restored into.
    pub(crate) version: String,
}

impl Found {
    /// What is told of a snapshot of this name.
    pub(crate) fn of(name: &Name, verified: Verified, restored: Option<Restored>) -> Self {
        let Verified { header, meta } = verified;
        Self {
            name: name.to_string(),
            cluster: header.cluster,
            taken: header.taken.to_string(),
            server: header.server,
            version: header.version,
            index: meta.index,
            term: meta.term,
            attempt: header.generation.attempt,
            intent: header.generation.intent.to_string(),
            rekey: header.rekey,
            restored,
        }
    }
}

/// Decrypts a snapshot on a thread for that, and hands it on piece by piece.
pub(crate) fn pieces(
    unlocked: Unlocked<BufReader<File>>,
) -> (mpsc::Receiver<io::Result<Bytes>>, JoinHandle<()>) {
    let (to, pieces) = mpsc::channel(PIECES);
    (pieces, spawn_blocking(move || restore::send(unlocked, &to)))
}

/// The keys that open what is restored from one of this rekey.
pub(crate) fn keys_of<'a>(
    ring: &'a KeyRing,
    name: &Name,
    rekey: Option<u32>,
) -> Result<&'a Keys, Failure> {
    ring.of_rekey(rekey).ok_or_else(|| {
        let what = rekey.map_or("initialisation".to_owned(), |number| format!("rekey {number}"));
        let what =
            format!("the keys of the snapshot {name}, of the {what}, are not there or do not open");
        let hint = ring.lacks().map_or_else(String::new, |why| format!("{why}; "));
        Failure::text(Kind::Failed, what)
            .hint(format!("{hint}bring them back from a backup of the key store"))
    })
}

/// Gives the server one in place of all data, and waits until it has it. `keys` are all that the cluster
/// has and had; those of the snapshot must be among them, or nobody opens a server any more.
pub(crate) async fn put_in_place(
    leader: Leader<'_>,
    keys: &KeyRing,
    unlocked: Unlocked<BufReader<File>>,
) -> Result<(), Failure> {
    let authorised = leader.client.with_token(leader.token);
    let (pieces, reading) = pieces(unlocked);
    // The server refuses data under other shares than its own unless it is told that they are known.
    let given = if keys.newest_first().len() > 1 {
        authorised.restore_of_other_keys(pieces).await
    } else {
        authorised.restore(pieces).await
    };
    given.map_err(|error| failed(error).hint("what the server had is still in place"))?;
    reading.await.map_err(failed)?;
    // The token was made after any snapshot, so whoever still knows it has other data.
    let began = Instant::now();
    loop {
        match authorised.look_up_self().await {
            Err(CallError::Refused { status: 403, .. }) => return Ok(()),
            _ if began.elapsed() < IN_PLACE => tokio::time::sleep(PAUSE).await,
            _ => {
                let what = format!("the snapshot is not in place within {IN_PLACE:?}");
                return Err(Failure::text(Kind::NotInTime, what)
                    .hint("`vaultyard why` says what each server waits for"));
            }
        }
    }
}
