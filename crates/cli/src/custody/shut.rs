//! A place for snapshots that cannot be opened. Whoever wants to use it is told why; a cluster can be without it
//! for a while, and unseals all the same.

use async_trait::async_trait;
use vaultyard_model::cluster::Store;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::snapshots::{Pieces, SnapshotStore, Stored};

use crate::failure::Failure;

/// See above.
pub(super) struct Shut {
    place: String,
    why: String,
}

impl Shut {
    pub(super) fn of(store: &Store, failure: &Failure) -> Self {
        Self { place: format!("bucket {store}"), why: failure.in_full() }
    }

    fn refuse<T>(&self) -> Result<T, CustodyError> {
        Err(CustodyError::Fatal(self.why.clone()))
    }
}

#[async_trait]
impl SnapshotStore for Shut {
    fn describe(&self) -> String {
        self.place.clone()
    }

    async fn list(&self) -> Result<Vec<Stored>, CustodyError> {
        self.refuse()
    }

    async fn read(&self, _: &str, _: u64, _: usize) -> Result<Option<Vec<u8>>, CustodyError> {
        self.refuse()
    }

    async fn create(&self, _: &str, _: &mut dyn Pieces) -> Result<bool, CustodyError> {
        self.refuse()
    }

    async fn remove(&self, _: &str) -> Result<(), CustodyError> {
        self.refuse()
    }
}
