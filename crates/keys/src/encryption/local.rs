//! A key-encryption key as a text of its own, in a file or wherever else small texts are kept. Good
//! against a lost copy of the store alone; whoever copies the whole disk has both, so it is for
//! trials.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vaultyard_model::Secret;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{
    Custody, CustodyError, KeyEncryption, KeyStore, KeyText, WrappedKey,
};
use zeroize::Zeroizing;

use crate::stored;
use crate::text::hex;
use vaultyard_durable as durable;

/// The first line of the file; the key follows on the second, base64.
const FIRST_LINE: &str = "vaultyard key-encryption key 1";
/// AES-256.
const KEY_BYTES: usize = 32;

/// Encrypts data keys under a key that is kept as a text, as long as it is kept.
pub struct LocalEncryption {
    kept: Arc<dyn KeyText>,
    held: RwLock<Arc<Held>>,
    random: Arc<dyn Random>,
}

/// A key in memory.
struct Held {
    key: LessSafeKey,
    key_id: String,
}

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none, and there are keys that only it opens.
    #[error(
        "the key-encryption key {} is gone, and the store ({store}) holds what only it can \
         decrypt; restore the file from a backup. Vaultyard never makes a new one in its place. \
         If it is lost for good, so are the keys: `vaultyard destroy` begins anew", path.display()
    )]
    Lost {
        /// Where it was.
        path: PathBuf,
        /// The store.
        store: String,
    },
    /// Others may read it.
    #[error(
        "others may read the key-encryption key {} (mode {mode:03o}); if nobody has, run \
         `chmod 600` on it", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its contents are not a key.
    #[error("{} does not hold a key-encryption key any more; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or made.
    #[error("the key-encryption key {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Whether one may be made cannot be told.
    #[error("cannot tell whether a key-encryption key may be made: {0}")]
    Store(CustodyError),
    /// The operating system gave no randomness.
    #[error("no randomness for a key-encryption key: {0}")]
    Random(String),
}

impl LocalEncryption {
    /// Opens the key file. Makes one when there is none, unless the store holds the records of
    /// an attempt to initialise: then the file is lost.
    ///
    /// # Errors
    /// [`KeyFileError`], which says what to do.
    pub async fn open_or_create(
        path: PathBuf,
        store: &dyn KeyStore,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyFileError> {
        if let Some(text) = read(&path)? {
            return Self::from_file(path, &text, random);
        }
        if stored::look(store).await.map_err(KeyFileError::Store)?.attempts > 0 {
            return Err(KeyFileError::Lost { path, store: store.describe() });
        }
        create(&path, &*random)?;
        Self::open(path, store, random)
    }

    /// Opens the key file; it must be there.
    ///
    /// # Errors
    /// [`KeyFileError`], which says what to do.
    pub fn open(
        path: PathBuf,
        store: &dyn KeyStore,
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyFileError> {
        match read(&path)? {
            Some(text) => Self::from_file(path, &text, random),
            None => Err(KeyFileError::Lost { path, store: store.describe() }),
        }
    }

    fn from_file(
        path: PathBuf,
        text: &[u8],
        random: Arc<dyn Random>,
    ) -> Result<Self, KeyFileError> {
        let kept = Arc::new(KeyFile(path.clone()));
        Self::from_text(kept, text, random).ok_or(KeyFileError::Damaged { path })
    }

    /// The encryption of a text that [`key_text`] made and that is kept there; `None` when the text is
    /// something else.
    pub fn from_text(kept: Arc<dyn KeyText>, text: &[u8], random: Arc<dyn Random>) -> Option<Self> {
        let held = RwLock::new(Arc::new(parse(text)?));
        Some(Self { kept, held, random })
    }

    fn held(&self) -> Arc<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key, if it still stands where it is kept: what is encrypted under one that is in memory
    /// alone is lost with this program.
    async fn standing(&self) -> Result<Arc<Held>, CustodyError> {
        let (held, text) = (self.held(), self.kept.read().await?);
        match text.map(|text| parse(text.expose()).map(|there| there.key_id)) {
            Some(Some(key_id)) if key_id == held.key_id => Ok(held),
            None => Err(CustodyError::Fatal(format!(
                "{} is gone since this program has read it; put it back, or start this program \
                 anew if nothing was ever encrypted under it",
                self.kept.location()
            ))),
            Some(_) => Err(CustodyError::Fatal(format!(
                "{} does not hold the key {} any more, which this program has read there; put it \
                 back, or start this program anew if nothing was ever encrypted under it",
                self.kept.location(),
                held.key_id
            ))),
        }
    }

    /// The key with this fingerprint. One that was put back since this program began takes the place
    /// of the one that stood there then.
    async fn key(&self, key_id: &str) -> Result<Arc<Held>, CustodyError> {
        let held = self.held();
        if held.key_id == key_id {
            return Ok(held);
        }
        let text = self.kept.read().await?;
        let holds = match text.and_then(|text| parse(text.expose())) {
            Some(there) if there.key_id == key_id => {
                let there = Arc::new(there);
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = there.clone();
                return Ok(there);
            }
            Some(there) => format!("holds the key {}", there.key_id),
            None => "holds none".to_owned(),
        };
        Err(CustodyError::Fatal(format!(
            "it was encrypted under the key {key_id}, and {} {holds}; put the right one back",
            self.kept.location()
        )))
    }
}

fn parse(text: &[u8]) -> Option<Held> {
    let text = std::str::from_utf8(text).ok()?;
    let encoded = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?.strip_suffix('\n')?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    if bytes.len() != KEY_BYTES {
        return None;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
    // A fingerprint of a random key tells nothing about it, and a wrong file from a right one.
    let fingerprint = digest(&SHA256, &bytes);
    Some(Held { key, key_id: format!("local/{}", hex(&fingerprint.as_ref()[..16])) })
}

/// A text in a file that nobody else can read.
struct KeyFile(PathBuf);

#[async_trait]
impl KeyText for KeyFile {
    fn location(&self) -> String {
        format!("file {}", self.0.display())
    }

    async fn read(&self) -> Result<Option<Secret>, CustodyError> {
        let text = read(&self.0).map_err(|error| CustodyError::Fatal(error.to_string()))?;
        Ok(text.map(Secret::from))
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFileError> {
    let file_error = |error| KeyFileError::File { path: path.to_owned(), error };
    let mode = match path.metadata() {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(error)),
    };
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    std::fs::read(path).map(|bytes| Some(Zeroizing::new(bytes))).map_err(file_error)
}

/// The text of a new key.
///
/// # Errors
/// The operating system's, when it gives no randomness.
pub fn key_text(random: &dyn Random) -> Result<Zeroizing<String>, String> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    random.fill(&mut *key)?;
    let encoded = Zeroizing::new(STANDARD.encode(*key));
    Ok(Zeroizing::new(format!("{FIRST_LINE}\n{}\n", *encoded)))
}

fn create(path: &Path, random: &dyn Random) -> Result<(), KeyFileError> {
    let text = key_text(random).map_err(KeyFileError::Random)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let made =
        durable::make_private_folder(folder).and_then(|()| durable::create(path, text.as_bytes()));
    // When somebody else was faster, his key is the one: it is read next.
    made.map(drop).map_err(|error| KeyFileError::File { path: path.to_owned(), error })
}

#[async_trait]
impl KeyEncryption for LocalEncryption {
    fn describe(&self) -> Custody {
        Custody { location: self.kept.location(), key_beside_data: true }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        let held = self.standing().await?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(CustodyError::Retryable)?;
        let mut sealed = Zeroizing::new(key.expose().to_vec());
        let tag = held
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed,
            )
            .map_err(|_| CustodyError::Fatal("a data key cannot be encrypted".to_owned()))?;
        let bytes = [&nonce, sealed.as_slice(), tag.as_ref()].concat();
        Ok(WrappedKey { key_id: held.key_id.clone(), bytes })
    }

    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        decrypt(&self.key(&key.key_id).await?.key, key, context)
    }
}

fn decrypt(with: &LessSafeKey, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
    let changed = || CustodyError::Fatal("the encrypted data key was changed".to_owned());
    let (nonce, sealed) = key.bytes.split_at_checked(NONCE_LEN).ok_or_else(changed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| changed())?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let plain =
        with.open_in_place(nonce, Aad::from(context), &mut opened).map_err(|_| changed())?;
    Ok(Secret::new(plain.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vaultyard_model::port::custody::ObjectName;
    use vaultyard_testkit::fake_store::FakeStore;
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;

    async fn open(folder: &Path, store: &FakeStore) -> Result<LocalEncryption, KeyFileError> {
        let random = Arc::new(SeededRandom::new(3));
        LocalEncryption::open_or_create(folder.join("key"), store, random).await
    }

    #[tokio::test]
    async fn a_key_file_keeps_the_contract_of_a_key_encryption() {
        let folder = tempfile::tempdir().unwrap();
        let encryption = open(folder.path(), &FakeStore::default()).await.unwrap();
        vaultyard_testkit::contract::key_encryption(&encryption).await;
    }

    #[tokio::test]
    async fn the_key_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = FakeStore::default();
        let key = Secret::new(vec![7; 32]);
        let wrapped = open(folder.path(), &store).await.unwrap().wrap_key(&key, b"c").await;
        let again = open(folder.path(), &store).await.unwrap();
        assert!(again.unwrap_key(&wrapped.unwrap(), b"c").await.unwrap().same_as(&key));
        let mode = folder.path().join("key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn nothing_is_encrypted_under_a_key_that_is_in_memory_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = FakeStore::default();
        let (file, aside) = (folder.path().join("key"), folder.path().join("aside"));
        let encryption = open(folder.path(), &store).await.unwrap();
        let key = Secret::new(vec![7; 32]);
        fs::rename(&file, &aside).unwrap();
        let refused = encryption.wrap_key(&key, b"c").await.unwrap_err();
        assert!(refused.to_string().contains("is gone since"), "{refused}");

        let other = SeededRandom::new(4);
        LocalEncryption::open_or_create(file.clone(), &store, Arc::new(other)).await.unwrap();
        let refused = encryption.wrap_key(&key, b"c").await.unwrap_err();
        assert!(refused.to_string().contains("any more"), "{refused}");

        fs::rename(&aside, &file).unwrap();
        assert!(encryption.wrap_key(&key, b"c").await.is_ok());
    }

    #[tokio::test]
    async fn the_right_key_that_is_put_back_opens_what_the_wrong_one_could_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = FakeStore::default();
        let (file, right) = (folder.path().join("key"), folder.path().join("right"));
        let key = Secret::new(vec![7; 32]);
        let wrapped =
            open(folder.path(), &store).await.unwrap().wrap_key(&key, b"c").await.unwrap();
        fs::rename(&file, &right).unwrap();

        let random = Arc::new(SeededRandom::new(4));
        let wrong = LocalEncryption::open_or_create(file.clone(), &store, random).await.unwrap();
        let refused = wrong.unwrap_key(&wrapped, b"c").await.err().unwrap().to_string();
        assert!(refused.contains(&format!("holds the key {}", wrong.held().key_id)), "{refused}");
        fs::remove_file(&file).unwrap();
        let refused = wrong.unwrap_key(&wrapped, b"c").await.err().unwrap().to_string();
        assert!(refused.contains("holds none"), "{refused}");

        fs::rename(&right, &file).unwrap();
        assert!(wrong.unwrap_key(&wrapped, b"c").await.unwrap().same_as(&key));
        let under_it = wrong.wrap_key(&key, b"c").await.unwrap();
        assert_eq!(under_it.key_id, wrapped.key_id, "it is the program's own from then on");
    }

    #[tokio::test]
    async fn a_lost_key_file_is_never_answered_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = FakeStore::default();
        store.create(&ObjectName::Intent(1), b"{}").await.unwrap();
        assert!(matches!(open(folder.path(), &store).await, Err(KeyFileError::Lost { .. })));
        assert!(!folder.path().join("key").exists());
    }

    #[tokio::test]
    async fn a_key_file_that_others_can_read_or_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = FakeStore::default();
        drop(open(folder.path(), &store).await.unwrap());
        let path = folder.path().join("key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            open(folder.path(), &store).await,
            Err(KeyFileError::Open { mode: 0o644, .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "vaultyard key-encryption key 1\nAAAA\n").unwrap();
        assert!(matches!(open(folder.path(), &store).await, Err(KeyFileError::Damaged { .. })));
    }
}
