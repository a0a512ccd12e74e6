//! The envelope that keeps the keys of one cluster: a random data key encrypts them, the
//! key-encryption key encrypts the data key, and everything else in it is authenticated.
//!
//! An envelope has exactly one form of bytes. Whoever changes a single one of them, or puts the
//! envelope of another cluster or attempt in its place, gets an error and no keys.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{CustodyError, KeyEncryption, WrappedKey};
use vaultyard_model::port::server::KeyKind;
use vaultyard_model::{ClusterName, Secret, Software};
use vaultyard_vault::{Exposed, Hidden};
use zeroize::Zeroizing;

use crate::record::{FORMAT, Generation};
use crate::text::base64_bytes;

/// What is authenticated beside the header, so that nothing else made with the same
/// key-encryption key is ever taken for an envelope.
const PURPOSE: &str = "vaultyard unseal keys";
/// The plain text of 255 shares fits, so the buffer never moves and leaves no copy behind.
const ROOM: usize = 32 * 1024;

/// What is known of the keys without opening the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Header {
    /// The cluster that the keys unseal.
    pub cluster: String,
    /// Which attempt to initialise brought them.
    pub generation: Generation,
    /// When the envelope was made.
    pub created: Timestamp,
    /// How many shares there are.
    pub shares: u8,
    /// How many of them are enough.
    pub threshold: u8,
    /// The server software: `openbao` or `vault`.
    pub software: String,
    /// Whether they are recovery keys, which unseal nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recovery: bool,
    /// Which rekey made these shares; `None` for those that the attempt brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekey: Option<u32>,
}

impl Header {
    /// The header of the keys that one attempt brought.
    pub fn new(
        cluster: &ClusterName,
        generation: Generation,
        created: Timestamp,
        split: Split,
        software: Software,
    ) -> Self {
        Self {
            cluster: cluster.to_string(),
            generation,
            created,
            shares: split.shares,
            threshold: split.threshold,
            software: software.to_string(),
            recovery: split.kind == KeyKind::Recovery,
            rekey: None,
        }
    }

    /// The same keys, split anew by a rekey.
    pub fn after_rekey(&self, number: u32, split: Split, created: Timestamp) -> Self {
        Self {
            created,
            shares: split.shares,
            threshold: split.threshold,
            rekey: Some(number),
            ..self.clone()
        }
    }

    /// What the shares are good for.
    pub fn kind(&self) -> KeyKind {
        if self.recovery { KeyKind::Recovery } else { KeyKind::Unseal }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How the unseal key, or the recovery key, is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Which of the two.
    pub kind: KeyKind,
    /// Into how many shares.
    pub shares: u8,
    /// How many of them are enough.
    pub threshold: u8,
}

/// The keys of a cluster, in the clear, in memory only.
pub struct Keys {
    /// What they are.
    pub header: Header,
    /// The shares as the server gave them, base64.
    pub shares: Vec<Secret>,
    /// The first root token. It is revoked as soon as the cluster has logins.
    pub root_token: Secret,
}

impl Keys {
    /// Whether both hold the same header, shares and token.
    pub fn same_as(&self, other: &Self) -> bool {
        self.header == other.header
            && self.shares.len() == other.shares.len()
            && self.shares.iter().zip(&other.shares).all(|(a, b)| a.same_as(b))
            && self.root_token.same_as(&other.root_token)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    format: u32,
    header: Header,
    key_id: String,
    #[serde(with = "base64_bytes")]
    wrapped_key: Vec<u8>,
    #[serde(with = "base64_bytes")]
    nonce: Vec<u8>,
    #[serde(with = "base64_bytes")]
    ciphertext: Vec<u8>,
}

#[derive(Serialize)]
struct PlainOut<'a> {
    shares: Vec<Exposed<'a>>,
    root_token: Exposed<'a>,
}

#[derive(Deserialize)]
struct PlainIn {
    shares: Vec<Hidden>,
    root_token: Hidden,
}

/// Why keys cannot be put into an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key-encryption key could not be used.
    #[error("the data key cannot be encrypted: {0}")]
    Custody(#[from] CustodyError),
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(String),
    /// The library refused; it does so only for texts beyond its limits.
    #[error("the keys cannot be encrypted")]
    Refused,
}

/// Why an envelope gives no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Truncated, or not an envelope at all.
    #[error(
        "is not an envelope of keys, or only a part of one (JSON at line {line} column {column}); \
         restore this object from a backup or from an older version of the store"
    )]
    NotAnEnvelope {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A later version wrote it.
    #[error("has format {0}, and this version of Vaultyard reads format {FORMAT}; use a newer one")]
    Newer(u32),
    /// Its bytes are not those that were written.
    #[error(
        "was changed after it was written; restore this object from a backup or from an older \
         version of the store"
    )]
    Changed,
    /// It belongs to another cluster.
    #[error(
        "holds keys of the cluster {found:?}, not of {expected:?}; the wrong store is configured"
    )]
    OtherCluster {
        /// Whose keys it holds.
        found: String,
        /// Whose were asked for.
        expected: String,
    },
    /// It belongs to another attempt.
    #[error(
        "holds the keys of attempt {found}, not of {expected}; somebody has renamed objects in the \
         store: undo that"
    )]
    OtherAttempt {
        /// Whose keys it holds.
        found: u32,
        /// Whose were asked for.
        expected: u32,
    },
    /// It belongs to another rekey.
    #[error(
        "holds the keys of another rekey; somebody has renamed objects in the store: undo that"
    )]
    OtherRekey,
    /// The key-encryption key could not be used.
    #[error("its data key cannot be decrypted: {0}")]
    Custody(#[from] CustodyError),
}

impl OpenError {
    /// Whether it is worth trying again without a change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Custody(error) if error.is_retryable())
    }
}

/// Which envelope is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Of which cluster.
    pub cluster: &'a ClusterName,
    /// Of which attempt.
    pub attempt: u32,
    /// Of which rekey.
    pub rekey: Option<u32>,
}

/// Encrypts keys. The envelope differs each time, also for the same keys.
///
/// # Errors
/// [`SealError`].
pub async fn seal(
    keys: &Keys,
    encryption: &dyn KeyEncryption,
    random: &dyn Random,
) -> Result<Vec<u8>, SealError> {
    let mut data_key = Zeroizing::new(vec![0; AES_256_GCM.key_len()]);
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut data_key).map_err(SealError::Random)?;
    random.fill(&mut nonce).map_err(SealError::Random)?;
    let data_key = Secret::new(std::mem::take(&mut *data_key));

    let context = context(&keys.header)?;
    let WrappedKey { key_id, bytes } = encryption.wrap_key(&data_key, &context).await?;
    let aad = authenticated(&context, &key_id, &bytes);

    let mut text = Zeroizing::new(Vec::with_capacity(ROOM));
    let plain = PlainOut {
        shares: keys.shares.iter().map(Exposed).collect(),
        root_token: Exposed(&keys.root_token),
    };
    serde_json::to_writer(&mut *text, &plain).map_err(|_| SealError::Refused)?;
    let key = cipher(&data_key).ok_or(SealError::Refused)?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut *text)
        .map_err(|_| SealError::Refused)?;

    let document = Document {
        format: FORMAT,
        header: keys.header.clone(),
        key_id,
        wrapped_key: bytes,
        nonce: nonce.to_vec(),
        ciphertext: text.to_vec(),
    };
    write(&document).ok_or(SealError::Refused)
}

/// Decrypts keys.
///
/// # Errors
/// [`OpenError`], which says what to do.
pub async fn open(
    bytes: &[u8],
    expected: Expected<'_>,
    encryption: &dyn KeyEncryption,
) -> Result<Keys, OpenError> {
    let document = read(bytes, expected)?;
    let context = context(&document.header).map_err(|_| OpenError::Changed)?;
    let aad = authenticated(&context, &document.key_id, &document.wrapped_key);
    let wrapped = WrappedKey { key_id: document.key_id, bytes: document.wrapped_key };
    let data_key = encryption.unwrap_key(&wrapped, &context).await?;

    let key = cipher(&data_key).ok_or(OpenError::Changed)?;
    let nonce =
        Nonce::try_assume_unique_for_key(&document.nonce).map_err(|_| OpenError::Changed)?;
    let mut text = Zeroizing::new(document.ciphertext);
    let plain =
        key.open_in_place(nonce, Aad::from(aad), &mut text).map_err(|_| OpenError::Changed)?;
    let plain: PlainIn = serde_json::from_slice(plain).map_err(|_| OpenError::Changed)?;
    Ok(Keys {
        header: document.header,
        shares: plain.shares.into_iter().map(|share| share.0).collect(),
        root_token: plain.root_token.0,
    })
}

fn read(bytes: &[u8], expected: Expected<'_>) -> Result<Document, OpenError> {
    #[derive(Deserialize)]
    struct AnyFormat {
        format: u32,
    }
    let wrong = |wrong: serde_json::Error| OpenError::NotAnEnvelope {
        line: wrong.line(),
        column: wrong.column(),
    };
    let AnyFormat { format } = serde_json::from_slice(bytes).map_err(wrong)?;
    if format != FORMAT {
        return Err(OpenError::Newer(format));
    }
    let document: Document = serde_json::from_slice(bytes).map_err(wrong)?;
    if write(&document).is_none_or(|written| written != bytes) {
        return Err(OpenError::Changed);
    }
    let Header { cluster, generation, rekey, .. } = &document.header;
    if cluster != expected.cluster.as_str() {
        let (found, expected) = (cluster.clone(), expected.cluster.to_string());
        return Err(OpenError::OtherCluster { found, expected });
    }
    if generation.attempt != expected.attempt {
        let (found, expected) = (generation.attempt, expected.attempt);
        return Err(OpenError::OtherAttempt { found, expected });
    }
    if *rekey != expected.rekey {
        return Err(OpenError::OtherRekey);
    }
    Ok(document)
}

fn write(document: &Document) -> Option<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(document).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

/// What the key-encryption key authenticates: the purpose, the format and the header.
fn context(header: &Header) -> Result<Vec<u8>, SealError> {
    let header = serde_json::to_string(header).map_err(|_| SealError::Refused)?;
    Ok(format!("{PURPOSE} {FORMAT}\n{header}").into_bytes())
}

/// What the data key authenticates: all that, and which key-encryption key holds the data key.
fn authenticated(context: &[u8], key_id: &str, wrapped_key: &[u8]) -> Vec<u8> {
    let lengths = [context.len(), key_id.len(), wrapped_key.len()];
    let parts = [context, key_id.as_bytes(), wrapped_key];
    let mut all = Vec::new();
    for (length, part) in lengths.into_iter().zip(parts) {
        all.extend_from_slice(&(length as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

fn cipher(key: &Secret) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key.expose()).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests;
