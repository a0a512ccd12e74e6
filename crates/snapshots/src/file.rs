//! A snapshot as it is kept, in one file: a line of JSON that says what it is, then the archive as an age
//! file (<https://age-encryption.org/v1>), encrypted with a key of its own.
//!
//! The key-encryption key of the unseal keys encrypts that key and authenticates the line beside it, so
//! that nobody can pass a snapshot off as that of another cluster, generation or time. Whoever has the
//! key can open the rest with `age` itself: `tail -n +2 FILE | age --decrypt`.

use std::io::{self, BufRead, Read, Write};

use age::secrecy::SecretString;
use age::stream::StreamWriter;
use age::{Decryptor, Encryptor, scrypt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaultyard_keys::record::{self, FORMAT, Generation, RecordError};
use vaultyard_keys::text::base64_bytes;
use vaultyard_model::Secret;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption, WrappedKey};
use zeroize::Zeroizing;

/// What is authenticated beside the header, so that nothing else made with the same key-encryption key
/// is ever taken for the key of a snapshot.
const PURPOSE: &str = "vaultyard snapshot";
/// The longest line, in bytes: the key of a cloud or a module has some hundreds.
pub(crate) const LONGEST_HEADER: usize = 64 * 1024;
/// 256 random bits need no stretching. age takes a secret of 32 bytes as a passphrase only, and
/// stretches each; this is the least.
const WORK_FACTOR: u8 = 1;
/// In bytes, as every [`KeyEncryption`] takes it.
const KEY: usize = 32;

/// What a snapshot is, readable without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Header {
    /// Whose data it is.
    pub cluster: String,
    /// When it was begun.
    pub taken: Timestamp,
    /// The server that led and gave it.
    pub server: String,
    /// The version of that server.
    pub version: String,
    /// The keys without which no server can be unsealed that was restored from it.
    pub generation: Generation,
    /// Which rekey of them; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekey: Option<u32>,
    /// Whether nobody asked for it: such a one goes when there are enough newer ones.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scheduled: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    format: u32,
    header: Header,
    key_id: String,
    #[serde(with = "base64_bytes")]
    wrapped_key: Vec<u8>,
}

/// Why a file is no snapshot that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// Its first line is not that of a snapshot.
    #[error("is no snapshot of Vaultyard, or only a part of one")]
    NotASnapshot,
    /// A later version wrote it.
    #[error(transparent)]
    Header(RecordError),
    /// Its key cannot be used.
    #[error("its key cannot be decrypted: {0}")]
    Custody(#[from] CustodyError),
    /// Its bytes are not those that were written.
    #[error("was changed after it was written")]
    Changed,
}

/// The key of one snapshot, under the key-encryption key and in the clear.
pub struct NewKey {
    line: Line,
    key: Secret,
}

/// Makes the key of a new snapshot.
///
/// # Errors
/// [`CustodyError`]; `Retryable` when the operating system has no randomness.
pub async fn new_key(
    header: Header,
    encryption: &dyn KeyEncryption,
    random: &dyn Random,
) -> Result<NewKey, CustodyError> {
    let mut bytes = Zeroizing::new(vec![0; KEY]);
    random.fill(&mut bytes).map_err(CustodyError::Retryable)?;
    let key = Secret::new(std::mem::take(&mut *bytes));
    let WrappedKey { key_id, bytes } = encryption.wrap_key(&key, &context(&header)).await?;
    Ok(NewKey { line: Line { format: FORMAT, header, key_id, wrapped_key: bytes }, key })
}

impl NewKey {
    /// What the snapshot will say of itself.
    pub fn header(&self) -> &Header {
        &self.line.header
    }

    /// Begins the file; what is written to the writer that this gives is encrypted. It must be
    /// finished: without its last part, an age file counts as cut off.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn begin<W: Write>(&self, mut to: W) -> io::Result<StreamWriter<W>> {
        let mut line = serde_json::to_vec(&self.line)?;
        line.push(b'\n');
        to.write_all(&line)?;
        let mut recipient = scrypt::Recipient::new(passphrase(&self.key));
        recipient.set_work_factor(WORK_FACTOR);
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(to)
    }
}

/// A snapshot of which the first line was read.
pub struct Opened<R> {
    line: Line,
    body: R,
}

/// Reads the first line.
///
/// # Errors
/// [`FileError`].
pub fn open<R: BufRead>(mut file: R) -> Result<Opened<R>, FileError> {
    let mut text = Vec::new();
    (&mut file)
        .take(LONGEST_HEADER as u64)
        .read_until(b'\n', &mut text)
        .map_err(FileError::Read)?;
    let text = text.strip_suffix(b"\n").ok_or(FileError::NotASnapshot)?;
    let line: Line = record::read(text).map_err(|error| match error {
        RecordError::Damaged { .. } => FileError::NotASnapshot,
        newer @ RecordError::Newer(_) => FileError::Header(newer),
    })?;
    // One form of bytes alone: what is authenticated is what stands there.
    if serde_json::to_vec(&line).is_ok_and(|written| written == text) {
        Ok(Opened { line, body: file })
    } else {
        Err(FileError::Changed)
    }
}

impl<R: Read> Opened<R> {
    /// What the snapshot says of itself. Only who has decrypted the key knows that it is true.
    pub fn header(&self) -> &Header {
        &self.line.header
    }

    /// Decrypts the key, which proves the header.
    ///
    /// # Errors
    /// [`FileError::Custody`].
    pub async fn unlock(self, encryption: &dyn KeyEncryption) -> Result<Unlocked<R>, FileError> {
        let Line { header, key_id, wrapped_key, .. } = self.line;
        let wrapped = WrappedKey { key_id, bytes: wrapped_key };
        let key = encryption.unwrap_key(&wrapped, &context(&header)).await?;
        Ok(Unlocked { key, body: self.body })
    }
}

/// A snapshot whose key is known.
pub struct Unlocked<R> {
    key: Secret,
    body: R,
}

impl<R: Read> Unlocked<R> {
    /// The archive in the clear. Reading fails where its bytes are not those that were written.
    ///
    /// # Errors
    /// [`FileError::Changed`]
    pub fn archive(self) -> Result<impl Read, FileError> {
        let mut identity = scrypt::Identity::new(passphrase(&self.key));
        identity.set_max_work_factor(WORK_FACTOR);
        let decryptor = Decryptor::new(self.body).map_err(|_| FileError::Changed)?;
        let identities = std::iter::once(&identity as &dyn age::Identity);
        decryptor.decrypt(identities).map_err(|_| FileError::Changed)
    }
}

fn passphrase(key: &Secret) -> SecretString {
    STANDARD_NO_PAD.encode(key.expose()).into()
}

/// What the key-encryption key authenticates. No name, version or time holds an end of a line.
fn context(header: &Header) -> Vec<u8> {
    let Header { cluster, taken, server, version, generation, rekey, scheduled } = header;
    let parts = [PURPOSE, cluster, &taken.to_string(), server, version, &generation.to_string()];
    let rekey = rekey.map(|number| format!("\nrekey {number}")).unwrap_or_default();
    let scheduled = if *scheduled { "\nscheduled" } else { "" };
    (parts.join("\n") + &rekey + scheduled).into_bytes()
}

#[cfg(test)]
mod tests;
