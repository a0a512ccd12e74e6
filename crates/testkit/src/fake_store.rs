//! A key store in memory that can fail, vanish, go back in time and lie.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, Object, ObjectName};

use crate::lock::lock;

/// How a store lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It says that an object was created, and keeps nothing.
    KeepsNothing,
    /// It gives other bytes than it was given.
    ReturnsOther,
    /// It replaces objects that are there, and says that it created them.
    Overwrites,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct FakeStore {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    objects: BTreeMap<ObjectName, Vec<u8>>,
    failure: Option<CustodyError>,
    lie: Option<Lie>,
}

/// What a store held at one time.
#[derive(Debug, Clone)]
pub struct Contents(BTreeMap<ObjectName, Vec<u8>>);

impl FakeStore {
    /// From now on every call fails so; `None`: every call works again.
    pub fn fail(&self, failure: Option<CustodyError>) {
        lock(&self.state).failure = failure;
    }

    /// From now on it lies so.
    pub fn lie(&self, lie: Option<Lie>) {
        lock(&self.state).lie = lie;
    }

    /// What it holds now.
    pub fn contents(&self) -> Contents {
        Contents(lock(&self.state).objects.clone())
    }

    /// Goes back to what it held; to nothing with [`Contents::nothing`].
    pub fn roll_back(&self, contents: Contents) {
        lock(&self.state).objects = contents.0;
    }

    /// The names of all objects.
    pub fn names(&self) -> Vec<ObjectName> {
        lock(&self.state).objects.keys().cloned().collect()
    }

    /// Changes the bytes of an object, as a damaged disk would.
    pub fn damage(&self, name: &ObjectName, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = lock(&self.state).objects.get_mut(name) {
            change(bytes);
        }
    }
}

impl Contents {
    /// An empty store.
    pub fn nothing() -> Self {
        Self(BTreeMap::new())
    }
}

#[async_trait]
impl KeyStore for FakeStore {
    fn describe(&self) -> String {
        "a fake store".to_owned()
    }

    async fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Create, CustodyError> {
        let mut state = lock(&self.state);
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if state.objects.contains_key(name) && state.lie != Some(Lie::Overwrites) {
            return Ok(Create::Exists);
        }
        if state.lie != Some(Lie::KeepsNothing) {
            state.objects.insert(name.clone(), bytes.to_vec());
        }
        Ok(Create::Created(1))
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Object>, CustodyError> {
        let state = lock(&self.state);
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        Ok(state.objects.get(name).map(|bytes| {
            let mut bytes = bytes.clone();
            if let (Some(Lie::ReturnsOther), Some(last)) = (state.lie, bytes.last_mut()) {
                *last ^= 1;
            }
            Object { bytes, version: 1 }
        }))
    }

    async fn discard_probe(&self, probe: &str) -> Result<(), CustodyError> {
        let mut state = lock(&self.state);
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        state.objects.remove(&ObjectName::Probe(probe.to_owned()));
        Ok(())
    }
}
