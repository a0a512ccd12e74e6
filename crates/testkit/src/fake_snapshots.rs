//! A place for snapshots in memory that can fail.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::snapshots::{Pieces, SnapshotStore, Stored};

use crate::lock::lock;

/// A store in memory.
#[derive(Debug, Default)]
pub struct FakeSnapshots {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    failure: Option<CustodyError>,
    locked_away: Option<String>,
    reads: usize,
}

impl FakeSnapshots {
    /// From now on every call fails so; `None`: every call works again.
    pub fn fail(&self, failure: Option<CustodyError>) {
        lock(&self.state).failure = failure;
    }

    /// From now on this one is listed and cannot be read.
    pub fn lock_away(&self, name: &str) {
        lock(&self.state).locked_away = Some(name.to_owned());
    }

    /// How many reads there were.
    pub fn reads(&self) -> usize {
        lock(&self.state).reads
    }

    /// Puts an object there, in place of one that is there.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        lock(&self.state).objects.insert(name.to_owned(), bytes.to_vec());
    }

    fn objects<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T,
    ) -> Result<T, CustodyError> {
        let mut state = lock(&self.state);
        match state.failure.clone() {
            Some(failure) => Err(failure),
            None => Ok(act(&mut state.objects)),
        }
    }
}

#[async_trait]
impl SnapshotStore for FakeSnapshots {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn list(&self) -> Result<Vec<Stored>, CustodyError> {
        let stored = |(name, bytes): (&String, &Vec<u8>)| Stored {
            name: name.clone(),
            bytes: bytes.len() as u64,
        };
        self.objects(|objects| objects.iter().map(stored).collect())
    }

    async fn read(
        &self,
        name: &str,
        from: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, CustodyError> {
        {
            let mut state = lock(&self.state);
            state.reads += 1;
            if state.locked_away.as_deref() == Some(name) {
                return Err(CustodyError::Fatal(format!("{name} is locked away")));
            }
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let part = |bytes: &Vec<u8>| bytes.iter().skip(from).take(length).copied().collect();
        self.objects(|objects| objects.get(name).map(part))
    }

    async fn create(&self, name: &str, pieces: &mut dyn Pieces) -> Result<bool, CustodyError> {
        let mut bytes = Vec::new();
        let unread = |error: std::io::Error| CustodyError::Fatal(error.to_string());
        while let Some(piece) = pieces.next().await.map_err(unread)? {
            bytes.extend(piece);
        }
        self.objects(|objects| {
            let is_new = !objects.contains_key(name);
            objects.entry(name.to_owned()).or_insert(bytes);
            is_new
        })
    }

    async fn remove(&self, name: &str) -> Result<(), CustodyError> {
        self.objects(|objects| drop(objects.remove(name)))
    }
}
