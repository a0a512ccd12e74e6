//! A server's records in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::volume::{Record, Volume};

use crate::lock::lock;

/// A volume in memory that can fail and be lost.
#[derive(Debug, Default)]
pub struct FakeVolume {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<Record, Vec<u8>>,
    refuses_writes: Option<CustodyError>,
}

impl FakeVolume {
    /// From now on nothing can be written; `None`: it can again.
    pub fn refuse_writes(&self, failure: Option<CustodyError>) {
        lock(&self.state).refuses_writes = failure;
    }

    /// Loses everything.
    pub fn lose(&self) {
        lock(&self.state).records.clear();
    }

    /// Whether a record is there.
    pub fn has(&self, record: Record) -> bool {
        lock(&self.state).records.contains_key(&record)
    }

    /// Changes the bytes of a record, as a damaged disk would.
    pub fn damage(&self, record: Record, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = lock(&self.state).records.get_mut(&record) {
            change(bytes);
        }
    }
}

#[async_trait]
impl Volume for FakeVolume {
    async fn read(&self, record: Record) -> Result<Option<Vec<u8>>, CustodyError> {
        Ok(lock(&self.state).records.get(&record).cloned())
    }

    async fn write(&self, record: Record, bytes: &[u8]) -> Result<(), CustodyError> {
        let mut state = lock(&self.state);
        match &state.refuses_writes {
            Some(failure) => Err(failure.clone()),
            None => {
                state.records.insert(record, bytes.to_vec());
                Ok(())
            }
        }
    }

    async fn remove(&self, record: Record) -> Result<(), CustodyError> {
        lock(&self.state).records.remove(&record);
        Ok(())
    }
}
