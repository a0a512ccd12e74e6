//! Where the snapshots of a cluster are kept: a folder, or a place elsewhere (a bucket). They are taken into the
//! folder in both cases, so that none comes to the other place before it is whole; what lies in the folder since
//! before there was another place, or was cut off on its way there, is kept and shown too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use vaultyard_model::chain;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::snapshots::{PIECE, SnapshotStore};

use crate::file::{self, FileError, Header};
use crate::folder::{EXTENSION, Folder, Kept, Name};
use crate::pieces::{OfFile, OfText, blocking};

/// As much of an object as holds the first line of a snapshot, in bytes, unless its key is very long.
const HEAD: usize = 4 * 1024;
/// From so many objects at once the first line is read.
const AT_ONCE: usize = 8;
/// Between the name of a snapshot and the second in which it was proven.
const PROVEN: &str = ".proven.";

/// Why a place for snapshots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The folder.
    #[error("{folder}: {}", chain(.source))]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// The other place.
    #[error("{place}: {why}")]
    Elsewhere {
        /// Which.
        place: String,
        /// Why.
        why: CustodyError,
    },
}

/// The place.
pub struct Shelf {
    folder: Folder,
    elsewhere: Option<Arc<dyn SnapshotStore>>,
    /// What was read of objects elsewhere. None of them ever changes.
    headers: Mutex<BTreeMap<Name, Header>>,
    changes: AtomicU64,
}

impl Shelf {
    /// The folder, or, where there is one, the other place.
    pub fn new(folder: Folder, elsewhere: Option<Arc<dyn SnapshotStore>>) -> Self {
        Self { folder, elsewhere, headers: Mutex::default(), changes: AtomicU64::new(0) }
    }

    /// Where new ones are kept.
    pub fn describe(&self) -> String {
        match &self.elsewhere {
            Some(elsewhere) => elsewhere.describe(),
            None => self.folder.path().display().to_string(),
        }
    }

    /// Whether that is a service, which is not asked all the time.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    /// Where they are taken.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// How often something was changed here by this program.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Brings one that was taken into the folder where it is to be kept. `false` when there is another one of
    /// this name. Whenever it is not kept, it is not in the folder any more.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub(crate) async fn keep(&self, name: &Name) -> Result<bool, ShelfError> {
        // A look while it is sent sees it in the folder; one afterwards must not.
        let _after = Counted(&self.changes);
        let Some(elsewhere) = &self.elsewhere else { return Ok(true) };
        let sent = match self.folder.open(name) {
            Ok(Some((file, length))) => {
                let mut pieces = OfFile::new(file, length);
                let sent = elsewhere.create(&object(name), &mut pieces).await;
                sent.map_err(|why| self.of_elsewhere(&**elsewhere, why))
            }
            Ok(None) => Err(self.of_folder(io::ErrorKind::NotFound.into())),
            Err(error) => Err(self.of_folder(error)),
        };
        self.folder.remove(name).map_err(|error| self.of_folder(error))?;
        sent
    }

    /// Whether one could be kept now: nobody need give one otherwise.
    pub(crate) async fn answers(&self) -> Result<(), ShelfError> {
        let Some(elsewhere) = &self.elsewhere else { return Ok(()) };
        let listed = elsewhere.list().await;
        listed.map(drop).map_err(|why| self.of_elsewhere(&**elsewhere, why))
    }

    /// Those in the folder alone, the oldest first.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn in_folder(&self) -> Result<Vec<Kept>, ShelfError> {
        self.folder.list().map_err(|error| self.of_folder(error))
    }

    /// All of them, the oldest first.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn list(&self) -> Result<Vec<Kept>, ShelfError> {
        let mut all = self.in_folder()?;
        if let Some(elsewhere) = &self.elsewhere {
            let there = self.list_of(&**elsewhere).await;
            let there = there.map_err(|why| self.of_elsewhere(&**elsewhere, why))?;
            // One that is in both was cut off after it had arrived: the folder's own goes with the other.
            all.retain(|kept| there.iter().all(|other| other.name != kept.name));
            all.extend(there);
            all.sort_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(all)
    }

    async fn list_of(&self, elsewhere: &dyn SnapshotStore) -> Result<Vec<Kept>, CustodyError> {
        let objects = elsewhere.list().await?;
        let mut proofs = BTreeMap::<Name, Timestamp>::new();
        let mut found = Vec::new();
        for object in objects {
            if let Some((name, at)) = proof(&object.name) {
                proofs.entry(name).and_modify(|latest| *latest = at.max(*latest)).or_insert(at);
            } else if let Some(name) = snapshot(&object.name) {
                found.push((name, object.bytes));
            }
        }
        let described = stream::iter(found).map(|(name, bytes)| async move {
            let header = self.header(elsewhere, &name).await?;
            // One may be removed while they are listed.
            Ok::<_, CustodyError>(header.map(|header| (name, bytes, header)))
        });
        let all: Vec<_> = described.buffered(AT_ONCE).try_collect().await?;
        let kept = all.into_iter().flatten().map(|(name, bytes, header)| {
            let proven = proofs.get(&name).copied();
            Kept { name, bytes, header, proven, elsewhere: Some(elsewhere.describe()) }
        });
        Ok(kept.collect())
    }

    /// What a snapshot elsewhere says of itself; `None` when it is not there any more.
    async fn header(
        &self,
        elsewhere: &dyn SnapshotStore,
        name: &Name,
    ) -> Result<Option<Result<Header, FileError>>, CustodyError> {
        if let Some(known) = self.headers().get(name) {
            return Ok(Some(Ok(known.clone())));
        }
        let mut head = match elsewhere.read(&object(name), 0, HEAD).await {
            // One that cannot be read, since it was moved to where that takes hours, is there all the same.
            Err(CustodyError::Fatal(why)) => {
                return Ok(Some(Err(FileError::Read(io::Error::other(why)))));
            }
            head => head?,
        };
        if head.as_ref().is_some_and(|head| head.len() == HEAD && !head.contains(&b'\n')) {
            head = elsewhere.read(&object(name), 0, file::LONGEST_HEADER).await?;
        }
        let Some(head) = head else { return Ok(None) };
        let header = file::open(&*head).map(|opened| opened.header().clone());
        if let Ok(header) = &header {
            self.headers().insert(name.clone(), header.clone());
        }
        Ok(Some(header))
    }

    fn headers(&self) -> MutexGuard<'_, BTreeMap<Name, Header>> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of one; `None` when there is none of this name. From elsewhere all of it is fetched first: it is
    /// read from a file without a name in the folder, which needs room for it.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn read(&self, name: &Name) -> Result<Option<BufReader<File>>, ShelfError> {
        let here = self.folder.open(name).map_err(|error| self.of_folder(error))?;
        match (here, &self.elsewhere) {
            (Some((file, _)), _) => Ok(Some(BufReader::new(file))),
            (None, None) => Ok(None),
            (None, Some(elsewhere)) => self.fetch(&**elsewhere, name).await,
        }
    }

    async fn fetch(
        &self,
        elsewhere: &dyn SnapshotStore,
        name: &Name,
    ) -> Result<Option<BufReader<File>>, ShelfError> {
        let mut fetched = self.folder.nameless().map_err(|error| self.of_folder(error))?;
        let mut at = 0;
        loop {
            let piece = elsewhere.read(&object(name), at, PIECE).await;
            let piece = piece.map_err(|why| self.of_elsewhere(elsewhere, why))?;
            let Some(piece) = piece else { return Ok(None) };
            let (length, write) = (piece.len(), move || {
                fetched.write_all(&piece)?;
                Ok(fetched)
            });
            fetched = blocking(write).await.map_err(|error| self.of_folder(error))?;
            at += length as u64;
            if length < PIECE {
                break;
            }
        }
        let rewound = io::Seek::rewind(&mut fetched);
        rewound.map_err(|error| self.of_folder(error))?;
        Ok(Some(BufReader::new(fetched)))
    }

    /// Removes one, and the notes that it was proven.
    ///
    /// # Errors
    /// [`ShelfError`]; the call can be repeated.
    pub async fn remove(&self, name: &Name) -> Result<(), ShelfError> {
        let _after = Counted(&self.changes);
        if let Some(elsewhere) = &self.elsewhere {
            let removed = self.remove_of(&**elsewhere, name).await;
            removed.map_err(|why| self.of_elsewhere(&**elsewhere, why))?;
            self.headers().remove(name);
        }
        self.folder.remove(name).map_err(|error| self.of_folder(error))
    }

    async fn remove_of(
        &self,
        elsewhere: &dyn SnapshotStore,
        name: &Name,
    ) -> Result<(), CustodyError> {
        // The snapshot goes last: by its name the call is repeated.
        for stored in elsewhere.list().await? {
            if proof(&stored.name).is_some_and(|(of, _)| of == *name) {
                elsewhere.remove(&stored.name).await?;
            }
        }
        elsewhere.remove(&object(name)).await
    }

    /// Notes that this one was restored, to see that it can be.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub async fn note_proven(&self, name: &Name, at: Timestamp) -> Result<(), ShelfError> {
        let _after = Counted(&self.changes);
        let here = self.folder.open(name).map_err(|error| self.of_folder(error))?;
        match &self.elsewhere {
            Some(elsewhere) if here.is_none() => {
                // Objects are created once: the time is a part of the name.
                let note = format!("{name}{PROVEN}{}", Name::at(at));
                let made = elsewhere.create(&note, &mut OfText::new(format!("{at}\n"))).await;
                made.map(drop).map_err(|why| self.of_elsewhere(&**elsewhere, why))
            }
            _ => self.folder.note_proven(name, at).map_err(|error| self.of_folder(error)),
        }
    }

    fn of_folder(&self, source: io::Error) -> ShelfError {
        ShelfError::Folder { folder: self.folder.path().display().to_string(), source }
    }

    fn of_elsewhere(&self, elsewhere: &dyn SnapshotStore, why: CustodyError) -> ShelfError {
        ShelfError::Elsewhere { place: elsewhere.describe(), why }
    }
}

/// Counts a change when it is over, however it ends.
struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn object(name: &Name) -> String {
    format!("{name}.{EXTENSION}")
}

/// The snapshot that an object is.
fn snapshot(object: &str) -> Option<Name> {
    Name::parse(object.strip_suffix(EXTENSION)?.strip_suffix('.')?)
}

/// Which snapshot an object says was proven, and when.
fn proof(object: &str) -> Option<(Name, Timestamp)> {
    let (name, at) = object.split_once(PROVEN)?;
    Some((Name::parse(name)?, Name::parse(at)?.time()?))
}

#[cfg(test)]
mod tests;
