//! The records of initialising: what one attempt is called, and what stands about it in the store
//! and on the server's volume.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaultyard_model::port::clock::Random;
use vaultyard_model::{ClusterName, ServerName};

use crate::text::hex;

/// The form of all records that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The random id of one intent to initialise: 128 bits, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(String);

impl IntentId {
    /// A new one.
    ///
    /// # Errors
    /// The text of the operating system's error when it has no randomness.
    pub fn random(random: &dyn Random) -> Result<Self, String> {
        let mut bytes = [0; 16];
        random.fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for IntentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one attempt to initialise, and the keys that it brought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The id of its intent.
    pub intent: IntentId,
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "attempt {} ({})", self.attempt, self.intent)
    }
}

/// The intent to initialise: stands in the store and on the server's own volume, byte for byte
/// the same, before the server is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Intent {
    format: u32,
    /// The attempt and its id.
    #[serde(rename = "generation")]
    pub generation: Generation,
    /// The cluster.
    pub cluster: String,
    /// The server that is to be initialised.
    pub server: String,
    /// When it was written.
    pub created: Timestamp,
}

impl Intent {
    /// The intent of one attempt.
    pub fn new(
        generation: Generation,
        cluster: &ClusterName,
        server: &ServerName,
        created: Timestamp,
    ) -> Self {
        let (cluster, server) = (cluster.to_string(), server.to_string());
        Self { format: FORMAT, generation, cluster, server, created }
    }
}

/// Says that the keys of `generation` are proven to be in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Released {
    format: u32,
    /// Whose keys.
    pub generation: Generation,
    /// When it was written.
    pub at: Timestamp,
}

impl Released {
    /// The record for `generation`.
    pub fn new(generation: Generation, at: Timestamp) -> Self {
        Self { format: FORMAT, generation, at }
    }
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is not what Vaultyard writes.
    #[error("is damaged (JSON at line {line} column {column}); restore it from a backup")]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A later version wrote it.
    #[error("has format {0}, and this version of Vaultyard reads format {FORMAT}; use a newer one")]
    Newer(u32),
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// Reads a record, or says why not. A record of a newer format is told apart from a damaged one.
///
/// # Errors
/// [`RecordError`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    let damaged = |wrong: serde_json::Error| RecordError::Damaged {
        line: wrong.line(),
        column: wrong.column(),
    };
    match serde_json::from_slice::<AnyFormat>(bytes).map_err(damaged)?.format {
        FORMAT => serde_json::from_slice(bytes).map_err(damaged),
        other => Err(RecordError::Newer(other)),
    }
}

/// The bytes of a record. Always the same for the same record.
///
/// # Errors
/// The serialiser's error; the records of this module have none.
pub fn write(record: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(record)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent() -> Intent {
        let cluster = ClusterName::new("vault").unwrap();
        let generation = Generation { attempt: 1, intent: IntentId("ab".repeat(16)) };
        let created = Timestamp::from_second(1_790_000_000).unwrap();
        Intent::new(generation, &cluster, &cluster.server(0), created)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bytes = write(&intent()).unwrap();
        assert_eq!(read::<Intent>(&bytes), Ok(intent()));
    }

    #[test]
    fn a_damaged_record_is_told_from_a_newer_one() {
        let bytes = write(&intent()).unwrap();
        let half = read::<Intent>(&bytes[..bytes.len() / 2]);
        assert!(matches!(half, Err(RecordError::Damaged { .. })));
        let newer = String::from_utf8(bytes).unwrap().replace("\"format\": 1", "\"format\": 7");
        assert_eq!(read::<Intent>(newer.as_bytes()), Err(RecordError::Newer(7)));
    }
}
