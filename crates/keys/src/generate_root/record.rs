//! Which root tokens were made and are not known to be revoked. Accessors only, no token.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{self, FORMAT};
use vaultyard_durable::{self as durable, PRIVATE};

/// A small file. Its writers hold the state's lock, or run in the process that holds it.
#[derive(Debug, Clone)]
pub struct RootRecord {
    path: PathBuf,
}

/// What may live.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RootTokens {
    /// Since when an attempt runs whose end is not known.
    pub begun: Option<Timestamp>,
    /// Tokens that were made.
    pub made: Vec<MadeRoot>,
}

/// A root token that was made from the shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MadeRoot {
    /// Its accessor.
    pub accessor: String,
    /// When it was made.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    tokens: RootTokens,
}

/// An attempt that was noted as begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Whether no earlier attempt was on record, whose end is not known.
    alone: bool,
}

impl Begun {
    /// Only what this attempt has noted ends with it.
    fn end(self, tokens: &mut RootTokens) {
        if self.alone {
            tokens.begun = None;
        }
    }
}

impl RootTokens {
    /// Whether there is nothing that may live.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RootRecord {
    /// The file `path`; its folder must exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What may live.
    ///
    /// # Errors
    /// The file system's error; a file that is damaged is one too.
    pub fn tokens(&self) -> io::Result<RootTokens> {
        let Some(bytes) = durable::read_from_standing_folder(&self.path)? else {
            return Ok(RootTokens::default());
        };
        let document = record::read::<Document>(&bytes).map_err(|wrong| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} {wrong}", self.path.display()))
        });
        Ok(document?.tokens)
    }

    /// An attempt begins.
    ///
    /// # Errors
    /// The file system's error.
    pub fn begin(&self, now: Timestamp) -> io::Result<Begun> {
        let mut begun = Begun { alone: true };
        self.change(|tokens| {
            begun.alone = tokens.begun.is_none();
            tokens.begun = tokens.begun.or(Some(now));
        })?;
        Ok(begun)
    }

    /// The attempt has ended without a token, which is known.
    ///
    /// # Errors
    /// The file system's error.
    pub fn abandon(&self, begun: Begun) -> io::Result<()> {
        self.change(|tokens| begun.end(tokens))
    }

    /// The attempt has ended with a token.
    ///
    /// # Errors
    /// The file system's error.
    pub fn made(&self, begun: Begun, accessor: &str, now: Timestamp) -> io::Result<()> {
        self.change(|tokens| {
            begun.end(tokens);
            tokens.made.push(MadeRoot { accessor: accessor.to_owned(), at: now });
        })
    }

    /// A token is revoked.
    ///
    /// # Errors
    /// The file system's error.
    pub fn revoked(&self, accessor: &str) -> io::Result<()> {
        self.change(|tokens| tokens.made.retain(|made| made.accessor != accessor))
    }

    /// Every accessor was looked up since the record said `known`, and none is of a root token.
    /// What was noted meanwhile stays.
    ///
    /// # Errors
    /// The file system's error.
    pub fn swept(&self, known: &RootTokens) -> io::Result<()> {
        if self.tokens()? == *known { durable::remove(&self.path) } else { Ok(()) }
    }

    fn change(&self, change: impl FnOnce(&mut RootTokens)) -> io::Result<()> {
        let mut tokens = self.tokens()?;
        change(&mut tokens);
        durable::replace(&self.path, &record::write(&Document { format: FORMAT, tokens })?, PRIVATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_on_record_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let record = RootRecord::new(folder.path().join("root-tokens.json"));
        assert!(record.tokens().unwrap().is_empty());
        let now = Timestamp::from_second(5).unwrap();
        let begun = record.begin(now).unwrap();
        assert_eq!(record.tokens().unwrap().begun, Some(now));
        record.made(begun, "accessor", now).unwrap();
        let made = MadeRoot { accessor: "accessor".to_owned(), at: now };
        assert_eq!(record.tokens().unwrap(), RootTokens { begun: None, made: vec![made] });
        record.revoked("accessor").unwrap();
        assert!(record.tokens().unwrap().is_empty());
    }

    #[test]
    fn an_attempt_whose_end_is_not_known_outlives_the_ones_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let record = RootRecord::new(folder.path().join("root-tokens.json"));
        let at = |second| Timestamp::from_second(second).unwrap();
        record.begin(at(1)).unwrap();
        let second = record.begin(at(2)).unwrap();
        record.abandon(second).unwrap();
        assert_eq!(record.tokens().unwrap().begun, Some(at(1)));
        let third = record.begin(at(3)).unwrap();
        record.made(third, "accessor", at(3)).unwrap();
        assert_eq!(record.tokens().unwrap().begun, Some(at(1)));
    }

    #[test]
    fn a_sweep_forgets_only_what_was_on_record_when_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let record = RootRecord::new(folder.path().join("root-tokens.json"));
        let now = Timestamp::from_second(5).unwrap();
        let begun = record.begin(now).unwrap();
        let known = record.tokens().unwrap();
        record.made(begun, "accessor", now).unwrap();
        record.swept(&known).unwrap();
        assert_eq!(record.tokens().unwrap().made.len(), 1);
        record.swept(&record.tokens().unwrap()).unwrap();
        assert!(record.tokens().unwrap().is_empty());
    }
}
