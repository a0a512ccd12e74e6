//! When and where the present keys last unsealed a server: the best proof that they are good.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaultyard_model::ServerName;

use crate::record::{self, FORMAT, Generation};
use vaultyard_durable::{self as durable, PRIVATE};

/// One unsealing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unsealing {
    /// Whose keys.
    pub generation: Generation,
    /// Which rekey of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekey: Option<u32>,
    /// When.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    format: u32,
    servers: BTreeMap<String, Unsealing>,
}

/// The small file that keeps the last unsealing of each server. It holds no secret. Clones write
/// one after the other.
#[derive(Debug, Clone)]
pub struct UnsealLog {
    path: PathBuf,
    writing: Arc<Mutex<()>>,
}

impl UnsealLog {
    /// The file `path`; its folder must exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path, writing: Arc::default() }
    }

    /// Keeps an unsealing in place of the one before of the same server.
    ///
    /// # Errors
    /// The file system's error.
    pub fn keep(&self, unsealing: Unsealing, server: &ServerName) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut servers = self.unsealings();
        servers.insert(server.to_string(), unsealing);
        durable::replace(
            &self.path,
            &record::write(&Document { format: FORMAT, servers })?,
            PRIVATE,
        )
    }

    /// The last unsealing of each server, by its name. Empty when there was none, or when the
    /// file cannot be read: it only ever adds to what is known.
    pub fn unsealings(&self) -> BTreeMap<String, Unsealing> {
        let bytes = durable::read_from_standing_folder(&self.path).ok().flatten();
        let document = bytes.and_then(|bytes| record::read::<Document>(&bytes).ok());
        document.map(|document| document.servers).unwrap_or_default()
    }

    /// Whether every server was unsealed after `since`, with keys of this rekey.
    pub fn all_since(&self, since: Timestamp, rekey: Option<u32>) -> bool {
        self.unsealings().values().all(|last| last.at > since && last.rekey == rekey)
    }

    /// On which server, and when, keys of `generation` last unsealed one, and of which rekey they were.
    pub fn last_of(&self, generation: &Generation) -> Option<(String, Unsealing)> {
        let of_this =
            self.unsealings().into_iter().filter(|(_, last)| last.generation == *generation);
        of_this.max_by_key(|(_, last)| last.at)
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::ClusterName;
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;
    use crate::record::IntentId;

    #[test]
    fn the_last_unsealing_of_each_server_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = UnsealLog::new(folder.path().join("last-unsealed.json"));
        let random = SeededRandom::new(1);
        let generation = |attempt| {
            let intent = IntentId::random(&random).unwrap();
            Generation { attempt, intent }
        };
        let (old, new) = (generation(1), generation(2));
        assert_eq!(log.last_of(&new), None);
        let cluster = ClusterName::new("vault").unwrap();
        for (ordinal, second, generation) in [(0, 5, &new), (2, 9, &new), (1, 12, &old)] {
            let at = Timestamp::from_second(second).unwrap();
            let unsealing = Unsealing { generation: generation.clone(), rekey: None, at };
            log.keep(unsealing, &cluster.server(ordinal)).unwrap();
        }
        let at = Timestamp::from_second(9).unwrap();
        let last = Unsealing { generation: new.clone(), rekey: None, at };
        assert_eq!(log.last_of(&new), Some(("vault-2".to_owned(), last)));
        assert_eq!(log.unsealings().len(), 3);
    }
}
