//! Which root tokens were made and are not known to be revoked. Accessors only, no token.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::record::{self, FORMAT};

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
        let Some(bytes) = durable::read(&self.path)? else { return Ok(RootTokens::default()) };
        let document = record::read::<Document>(&bytes).map_err(|wrong| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} {wrong}", self.path.display()))
        });
        Ok(document?.tokens)
    }

    /// An attempt begins.
    ///
    /// # Errors
    /// The file system's error.
    pub fn begin(&self, now: Timestamp) -> io::Result<()> {
        self.change(|tokens| tokens.begun = Some(now))
    }

    /// The attempt has ended without a token.
    ///
    /// # Errors
    /// The file system's error.
    pub fn abandon(&self) -> io::Result<()> {
        self.change(|tokens| tokens.begun = None)
    }

    /// The attempt has ended with a token.
    ///
    /// # Errors
    /// The file system's error.
    pub fn made(&self, accessor: &str, now: Timestamp) -> io::Result<()> {
        self.change(|tokens| {
            tokens.begun = None;
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

    /// Every accessor was looked up, and none is of a root token.
    ///
    /// # Errors
    /// The file system's error.
    pub fn swept(&self) -> io::Result<()> {
        durable::remove(&self.path)
    }

    fn change(&self, change: impl FnOnce(&mut RootTokens)) -> io::Result<()> {
        let mut tokens = self.tokens()?;
        change(&mut tokens);
        durable::replace(&self.path, &record::write(&Document { format: FORMAT, tokens })?)
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
        record.begin(now).unwrap();
        assert_eq!(record.tokens().unwrap().begun, Some(now));
        record.made("accessor", now).unwrap();
        let made = MadeRoot { accessor: "accessor".to_owned(), at: now };
        assert_eq!(record.tokens().unwrap(), RootTokens { begun: None, made: vec![made] });
        record.revoked("accessor").unwrap();
        assert!(record.tokens().unwrap().is_empty());
    }
}
