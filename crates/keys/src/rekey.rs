//! New shares in place of the old ones, which open nothing afterwards that is written from then on.
//!
//! The server hands new shares out and goes on with the old ones until the new ones are given back to it.
//! So these are first kept like those of an initialisation: created where nothing is, read back,
//! decrypted and compared. What is given back is what was read from the store.
//!
//! | step | store | what opens the cluster |
//! |---|---|---|
//! | probe | | old |
//! | request | | old |
//! | store-keys | new | old |
//! | prove-keys | new | old |
//! | give-back | new | new |
//! | record | new, proven | new |
//! | mark | new, proven | new, and the cluster's own data says so |
//!
//! A process that dies between `store-keys` and `record` leaves open which of them count. Unsealers try
//! all that are kept, the newest first, and the next rekey finds out by which ones the server takes.
//! Nothing is ever deleted: a snapshot needs the keys of its time.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;
use vaultyard_model::access::{OWN_MOUNT, REKEY_FIELD, REKEY_PATH};
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{Create, CustodyError, KeyEncryption, KeyStore, ObjectName};
use vaultyard_model::port::server::CallError;
use vaultyard_model::{ClusterName, Secret};
use vaultyard_vault::{Authorised, NewShares, Rotation, RotationProgress};

use crate::envelope::{self, Expected, Header, Keys, OpenError, SealError, Split};
use crate::fault::{FaultHook, points};
use crate::initialise::of_other_keys;
use crate::probe;
use crate::record::{self, Released};
use crate::stored::{self, KeyRing, LoadError};

/// The names of its steps, for a test that walks all fault points.
pub const STEPS: [&str; 7] =
    ["probe", "request", "store-keys", "prove-keys", "give-back", "record", "mark"];

/// Everything outside that a rekey needs.
pub struct Ports<'a> {
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// The server that leads, with a login that may rotate.
    pub leader: Authorised<'a>,
    /// Where keys are kept.
    pub store: &'a dyn KeyStore,
    /// What encrypts them.
    pub encryption: &'a dyn KeyEncryption,
    /// Randomness for data keys.
    pub random: &'a dyn Random,
    /// Fault points.
    pub faults: Arc<dyn FaultHook>,
}

/// How the new shares are wanted; what is not said stays as it was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// How many.
    pub shares: Option<u8>,
    /// How many of them are enough.
    pub threshold: Option<u8>,
}

/// Why there are no new shares. Unless it says otherwise, the old ones count.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// The keys that are kept cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store or the encryption does not do what it is for.
    #[error("{0}; the keys are as they were")]
    Custody(#[from] CustodyError),
    /// So many shares and such a threshold protect nothing, or cannot be met.
    #[error(
        "{threshold} of {shares} shares: the threshold is from 2 to the number of shares, or both are 1"
    )]
    Split {
        /// How many shares.
        shares: u8,
        /// How many would be enough.
        threshold: u8,
    },
    /// The server did not do it.
    #[error("{doing}: the server {error}; the keys are as they were")]
    Call {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        error: CallError,
    },
    /// None of the keys that are kept are the server's.
    #[error("the server takes none of the keys that are kept: {0}")]
    OtherKeys(String),
    /// The new keys cannot be encrypted.
    #[error("{0}; the keys are as they were")]
    Seal(#[from] SealError),
    /// The store does not keep what it has taken.
    #[error("{place} does not give {object} back as it was: {why}; the keys are as they were")]
    Lost {
        /// The store.
        place: String,
        /// The new keys.
        object: ObjectName,
        /// What came back.
        why: String,
    },
    /// The new shares were given back, and it is not known what came of it.
    #[error(
        "giving the new shares back: the server {0}. Whether these or those before count is not known; both \
         are kept and open servers"
    )]
    Unknown(CallError),
    /// They count, and that cannot be noted everywhere.
    #[error("the new shares count, are kept and open servers; but {what} cannot be written: {why}")]
    Unrecorded {
        /// What says so.
        what: String,
        /// Why not.
        why: String,
    },
}

fn failed(doing: &'static str) -> impl Fn(CallError) -> RekeyError {
    move |error| RekeyError::Call { doing, error }
}

/// Has the leader make new shares, keeps them, and has them count; what they are.
///
/// # Errors
/// [`RekeyError`], which says which shares count.
pub async fn rekey(
    ports: &Ports<'_>,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Header, RekeyError> {
    let Ports { cluster, store, encryption, random, .. } = ports;
    ports
        .step("probe", async {
            probe::encryption(*encryption, *random).await?;
            Ok(probe::store(*store, *random).await?)
        })
        .await?;
    let stored = stored::look(*store).await?;
    let number = stored.next_rekey();
    let place = store.describe();
    let ring = stored.open(cluster, &place, *encryption).await?;
    let ring = ring.ok_or_else(|| LoadError::NoKeys { store: place.clone() })?;
    let split = split(&ring, wanted)?;

    let (old, new) = ports.step("request", ports.request(&ring, split)).await?;
    let verification = new.verification;
    let kept = ports.keep(old, new.shares, (number, split), now).await;
    let Kept { keys, object } = match kept {
        Ok(kept) => kept,
        Err(error) => {
            // Shares that nobody has must not be given back. The server forgets them with its lead too.
            ports.leader.cancel_rotation(split.kind).await.ok();
            return Err(error);
        }
    };
    info!(%object, "new keys are kept, and given back to the server");
    ports.step("give-back", ports.give_back(&keys, &verification)).await?;
    ports.step("record", ports.record(number, &keys.header, now)).await?;
    ports.step("mark", ports.mark(number)).await?;
    Ok(keys.header)
}

/// After data of an earlier time was put in place: keeps the shares of that time as the newest, which count
/// again.
///
/// # Errors
/// [`RekeyError`]. The shares are kept all the same, and open servers.
pub async fn reinstate(
    ports: &Ports<'_>,
    ring: &KeyRing,
    rekey: Option<u32>,
    now: Timestamp,
) -> Result<(), RekeyError> {
    let stored = stored::look(ports.store).await?;
    let number = stored.next_rekey();
    let place = ports.store.describe();
    let old = ring.of_rekey(rekey).ok_or(LoadError::NoKeys { store: place })?;
    let Header { shares, threshold, .. } = old.header;
    let split = Split { kind: old.header.kind(), shares, threshold };
    let same = old.shares.iter().map(Secret::duplicate).collect();
    let Kept { keys, .. } = ports.keep(old, same, (number, split), now).await?;
    ports.record(number, &keys.header, now).await?;
    ports.mark(number).await
}

fn split(ring: &KeyRing, wanted: Wanted) -> Result<Split, RekeyError> {
    let Header { shares, threshold, .. } = ring.current().header;
    let kind = ring.current().header.kind();
    let (shares, threshold) =
        (wanted.shares.unwrap_or(shares), wanted.threshold.unwrap_or(threshold));
    let protects = threshold >= 2 || (shares, threshold) == (1, 1);
    if protects && threshold <= shares {
        Ok(Split { kind, shares, threshold })
    } else {
        Err(RekeyError::Split { shares, threshold })
    }
}

/// New keys that the store has given back.
struct Kept {
    keys: Keys,
    object: ObjectName,
}

impl Ports<'_> {
    async fn step<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, RekeyError>>,
    ) -> Result<T, RekeyError> {
        let [before, after] = points("rekey", name);
        self.faults.reached(&before);
        let done = work.await?;
        self.faults.reached(&after);
        Ok(done)
    }

    /// Has the server make new shares for those that it takes; both.
    async fn request<'k>(
        &self,
        ring: &'k KeyRing,
        split: Split,
    ) -> Result<(&'k Keys, NewShares), RekeyError> {
        let mut refused = None;
        for keys in ring.newest_first() {
            // Somebody has died over it, or it was begun with other keys.
            let cancelled = self.leader.cancel_rotation(split.kind).await;
            cancelled.map_err(failed("cancelling a rekey before"))?;
            let Split { kind, shares, threshold } = split;
            let begun = self.leader.begin_rotation(kind, shares, threshold).await;
            let rotation = begun.map_err(failed("beginning"))?;
            match self.give_old(keys, &rotation).await {
                Ok(Some(new)) => return Ok((keys, new)),
                Ok(None) => {}
                // Vault says 500 to it.
                Err(CallError::Refused { status: 400 | 500, errors }) if of_other_keys(&errors) => {
                    refused = refused.or(Some(errors.join("; ")));
                }
                Err(error) => {
                    return Err(RekeyError::Call { doing: "giving the old shares", error });
                }
            }
        }
        self.leader.cancel_rotation(split.kind).await.ok();
        Err(RekeyError::OtherKeys(refused.unwrap_or_else(|| "it takes more shares".to_owned())))
    }

    /// The new shares; `None` when there are not enough old ones.
    async fn give_old(
        &self,
        keys: &Keys,
        rotation: &Rotation,
    ) -> Result<Option<NewShares>, CallError> {
        let kind = keys.header.kind();
        for share in keys.shares.iter().take(usize::from(rotation.required)) {
            let progress = self.leader.continue_rotation(kind, rotation, share).await?;
            if let RotationProgress::Complete(new) = progress {
                return Ok(Some(new));
            }
        }
        Ok(None)
    }

    async fn keep(
        &self,
        old: &Keys,
        shares: Vec<Secret>,
        (number, split): (u32, Split),
        now: Timestamp,
    ) -> Result<Kept, RekeyError> {
        let keys = Keys {
            header: old.header.after_rekey(number, split, now),
            shares,
            root_token: old.root_token.duplicate(),
        };
        let object = ObjectName::Rekey(number);
        let envelope = envelope::seal(&keys, self.encryption, self.random).await?;
        let create = async {
            match self.store.create(&object, &envelope).await? {
                Create::Created(_) => Ok(()),
                Create::Exists => Err(self.lost(&object, "somebody else has made it meanwhile")),
            }
        };
        self.step("store-keys", create).await?;
        let keys = self.step("prove-keys", self.prove(&keys, &object)).await?;
        Ok(Kept { keys, object })
    }

    /// The keys as the store gives them back.
    async fn prove(&self, keys: &Keys, object: &ObjectName) -> Result<Keys, RekeyError> {
        let read = self.store.read(object).await?;
        let read = read.ok_or_else(|| self.lost(object, "there is none"))?;
        let Header { generation, rekey, .. } = &keys.header;
        let (cluster, attempt) = (self.cluster, generation.attempt);
        let expected = Expected { cluster, attempt, rekey: *rekey };
        let opened = envelope::open(&read.bytes, expected, self.encryption).await;
        let opened = opened.map_err(|error: OpenError| self.lost(object, &error.to_string()))?;
        if opened.same_as(keys) {
            Ok(opened)
        } else {
            Err(self.lost(object, "it holds other keys"))
        }
    }

    fn lost(&self, object: &ObjectName, why: &str) -> RekeyError {
        let (place, object) = (self.store.describe(), object.clone());
        RekeyError::Lost { place, object, why: why.to_owned() }
    }

    /// From the moment that the last share is sent the old ones may count no more.
    async fn give_back(&self, keys: &Keys, verification: &str) -> Result<(), RekeyError> {
        let kind = keys.header.kind();
        for share in keys.shares.iter().take(usize::from(keys.header.threshold)) {
            match self.leader.verify_rotation(kind, verification, share).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if changes_nothing(&error) => {
                    return Err(failed("giving the new shares back")(error));
                }
                Err(error) => return Err(RekeyError::Unknown(error)),
            }
        }
        let what = "goes on asking for shares".to_owned();
        Err(failed("giving the new shares back")(CallError::Malformed(what)))
    }

    async fn record(&self, number: u32, header: &Header, now: Timestamp) -> Result<(), RekeyError> {
        let object = ObjectName::Rekeyed(number);
        let unrecorded = |why: String| RekeyError::Unrecorded { what: object.to_string(), why };
        let bytes = record::write(&Released::new(header.generation.clone(), now));
        let bytes = bytes.map_err(|error| unrecorded(error.to_string()))?;
        let created = self.store.create(&object, &bytes).await;
        created.map(drop).map_err(|error| unrecorded(error.to_string()))
    }

    /// By this an unsealer knows a store that was brought back from before.
    async fn mark(&self, number: u32) -> Result<(), RekeyError> {
        let fields = [(REKEY_FIELD.to_owned(), number.to_string())].into();
        let marked = self.leader.write_kv(OWN_MOUNT, REKEY_PATH, &fields).await;
        marked.map_err(|error| RekeyError::Unrecorded {
            what: format!("{OWN_MOUNT}/{REKEY_PATH} in the cluster"),
            why: format!("the server {error}"),
        })
    }
}

/// Whether a refusal to take a share back has certainly changed nothing. A server that fails in the middle
/// says 400 too.
fn changes_nothing(error: &CallError) -> bool {
    let known = ["no rotation", "no rekey", "nonce", "incorrect key shares"];
    match error {
        CallError::Unreachable(_) => true,
        CallError::Refused { status: 400, errors } => {
            errors.iter().any(|error| known.iter().any(|known| error.contains(known)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Generation, IntentId};

    fn ring() -> KeyRing {
        let random = vaultyard_testkit::fixed::SeededRandom::new(1);
        let generation = Generation { attempt: 1, intent: IntentId::random(&random).unwrap() };
        let cluster = ClusterName::new("vault").unwrap();
        let kind = vaultyard_model::port::server::KeyKind::Unseal;
        let split = Split { kind, shares: 5, threshold: 3 };
        let software = vaultyard_model::Software::OpenBao;
        let header = Header::new(&cluster, generation, Timestamp::UNIX_EPOCH, split, software);
        let root_token = Secret::from("s.root".to_owned());
        KeyRing::of(Keys { header, shares: Vec::new(), root_token })
    }

    #[test]
    fn what_is_not_wanted_otherwise_stays_and_what_protects_nothing_is_refused() {
        let wanted = |shares, threshold| {
            let split = split(&ring(), Wanted { shares, threshold });
            split.ok().map(|split| (split.shares, split.threshold))
        };
        assert_eq!(wanted(None, None), Some((5, 3)));
        assert_eq!(wanted(Some(7), None), Some((7, 3)));
        assert_eq!(wanted(None, Some(5)), Some((5, 5)));
        assert_eq!(wanted(Some(1), Some(1)), Some((1, 1)));
        for (shares, threshold) in
            [(Some(2), None), (None, Some(1)), (None, Some(6)), (Some(1), Some(0))]
        {
            assert_eq!(wanted(shares, threshold), None, "{shares:?} {threshold:?}");
        }
    }
}
