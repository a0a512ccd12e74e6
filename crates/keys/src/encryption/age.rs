//! A key encryption whose keys are recipients of age, of which one is kept where Vaultyard runs.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, x25519};
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use tokio::task::spawn_blocking;
use vaultyard_model::Secret;
use vaultyard_model::cluster::AgeRecipient;
use vaultyard_model::port::custody::{Custody, CustodyError, KeyEncryption, WrappedKey};
use zeroize::Zeroizing;

use super::file::{FileError, read_private};
use crate::text::hex;

/// What all names of keys begin with.
const KIND: &str = "age/";
/// SHA-256.
const DIGEST: usize = 32;
/// A data key and a digest fit, so that neither is moved in memory.
const ROOM: usize = 256;

/// Encrypts data keys to recipients of age. The format has no place for what is only authenticated, so
/// a digest of that is encrypted with the key, and compared when it comes back.
pub struct AgeEncryption {
    recipients: Vec<x25519::Recipient>,
    key_id: String,
    identity_file: PathBuf,
}

/// Why there is no encryption.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// Not a key of age.
    #[error("{recipient} is not a public key of age that can be used here: {why}")]
    Recipient {
        /// What was given.
        recipient: String,
        /// What is wrong with it.
        why: String,
    },
}

impl AgeEncryption {
    /// Encrypts to all `recipients`; decrypts with the identity in the file, which is read for each
    /// use.
    ///
    /// # Errors
    /// [`AgeError`].
    pub fn new(recipients: &[AgeRecipient], identity_file: PathBuf) -> Result<Self, AgeError> {
        let parse = |recipient: &AgeRecipient| {
            x25519::Recipient::from_str(recipient.as_str()).map_err(|why| AgeError::Recipient {
                recipient: recipient.to_string(),
                why: why.to_owned(),
            })
        };
        let mut names: Vec<_> = recipients.iter().map(AgeRecipient::as_str).collect();
        names.sort_unstable();
        let fingerprint = digest(&SHA256, names.join(" ").as_bytes());
        Ok(Self {
            recipients: recipients.iter().map(parse).collect::<Result<_, _>>()?,
            key_id: format!("{KIND}{}", hex(&fingerprint.as_ref()[..16])),
            identity_file,
        })
    }
}

/// What the encrypted text is bound to: under which name, and beside what.
fn binding(key_id: &str, context: &[u8]) -> Vec<u8> {
    let length = (key_id.len() as u64).to_be_bytes();
    digest(&SHA256, &[&length, key_id.as_bytes(), context].concat()).as_ref().to_vec()
}

fn failed(error: FileError) -> CustodyError {
    let text = format!("spec.keys.encryption.age.identityFile: {error}");
    if error.passes() { CustodyError::Retryable(text) } else { CustodyError::Fatal(text) }
}

/// The identities in a file of age: one a line, among comments.
fn identities(path: &Path) -> Result<Vec<x25519::Identity>, CustodyError> {
    let bytes = read_private(path).map_err(failed)?;
    let none = || {
        CustodyError::Fatal(format!(
            "{} does not hold an identity of age (a line AGE-SECRET-KEY-1..., as `age-keygen` writes it)",
            path.display()
        ))
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| none())?;
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found: Result<Vec<_>, _> = lines.map(x25519::Identity::from_str).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(none)
}

#[async_trait]
impl KeyEncryption for AgeEncryption {
    fn describe(&self) -> Custody {
        let (count, file) = (self.recipients.len(), self.identity_file.display());
        let location = format!("age (recipients: {count}), opened with the file {file}");
        Custody { location, key_beside_data: false }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(ROOM));
        plain.extend_from_slice(key.expose());
        plain.extend_from_slice(&binding(&self.key_id, context));
        let refused = |why: &dyn std::fmt::Display| {
            CustodyError::Fatal(format!("age cannot encrypt a data key: {why}"))
        };
        let recipients = self.recipients.iter().map(|recipient| recipient as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(|why| refused(&why))?;
        let mut bytes = Vec::new();
        let mut writer = encryptor.wrap_output(&mut bytes).map_err(|why| refused(&why))?;
        std::io::Write::write_all(&mut writer, &plain).map_err(|why| refused(&why))?;
        writer.finish().map_err(|why| refused(&why))?;
        Ok(WrappedKey { key_id: self.key_id.clone(), bytes })
    }

    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        if !key.key_id.starts_with(KIND) {
            return Err(CustodyError::Fatal(format!(
                "it was encrypted under the key {}, which is none of age; put the right \
                 spec.keys.encryption back",
                key.key_id
            )));
        }
        let (file, wrapped) = (self.identity_file.clone(), key.bytes.clone());
        let opened = spawn_blocking(move || decrypt(&file, &wrapped)).await;
        let opened = opened.map_err(|error| CustodyError::Retryable(error.to_string()))??;
        let changed = || CustodyError::Fatal("the encrypted data key was changed".to_owned());
        let end = opened.len().checked_sub(DIGEST).ok_or_else(changed)?;
        if opened[end..] != binding(&key.key_id, context) {
            return Err(changed());
        }
        Ok(Secret::new(opened[..end].to_vec()))
    }
}

fn decrypt(file: &Path, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CustodyError> {
    let identities = identities(file)?;
    let refused = |why: DecryptError| match why {
        DecryptError::NoMatchingKeys => CustodyError::Fatal(format!(
            "the identity in {} is none of the recipients it was encrypted to; put the right one back",
            file.display()
        )),
        why => CustodyError::Fatal(format!("age cannot decrypt the data key: {why}")),
    };
    let decryptor = Decryptor::new(wrapped).map_err(refused)?;
    let identities = identities.iter().map(|identity| identity as &dyn Identity);
    let mut reader = decryptor.decrypt(identities).map_err(refused)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(ROOM));
    std::io::Read::read_to_end(&mut reader, &mut plain)
        .map_err(|why| CustodyError::Fatal(format!("the encrypted data key was changed: {why}")))?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use age::secrecy::ExposeSecret;

    use super::*;

    fn identity_file(folder: &Path, identity: &x25519::Identity) -> PathBuf {
        let path = folder.join("identity");
        let secret = identity.to_string();
        fs::write(&path, format!("# made by a test\n{}\n", secret.expose_secret())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn recipients(of: &[&x25519::Identity]) -> Vec<AgeRecipient> {
        of.iter().map(|one| AgeRecipient::new(&one.to_public().to_string()).unwrap()).collect()
    }

    #[tokio::test]
    async fn age_keeps_the_contract_of_a_key_encryption() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (x25519::Identity::generate(), x25519::Identity::generate());
        let file = identity_file(folder.path(), &own);
        let encryption = AgeEncryption::new(&recipients(&[&own, &other]), file).unwrap();
        vaultyard_testkit::contract::key_encryption(&encryption).await;
    }

    #[tokio::test]
    async fn every_recipient_opens_it_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, stranger] = [(); 3].map(|()| x25519::Identity::generate());
        let both = recipients(&[&one, &two]);
        let key = Secret::new(vec![7; 32]);
        let open =
            |identity| AgeEncryption::new(&both, identity_file(folder.path(), identity)).unwrap();
        let wrapped = open(&one).wrap_key(&key, b"c").await.unwrap();
        assert!(open(&two).unwrap_key(&wrapped, b"c").await.unwrap().same_as(&key));
        let Err(CustodyError::Fatal(text)) = open(&stranger).unwrap_key(&wrapped, b"c").await
        else {
            panic!("a stranger opens it")
        };
        assert!(text.contains("none of the recipients"), "{text}");
    }

    #[tokio::test]
    async fn more_recipients_leave_what_was_encrypted_before() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (x25519::Identity::generate(), x25519::Identity::generate());
        let file = identity_file(folder.path(), &one);
        let before = AgeEncryption::new(&recipients(&[&one]), file.clone()).unwrap();
        let wrapped = before.wrap_key(&Secret::new(vec![7; 32]), b"c").await.unwrap();
        let after = AgeEncryption::new(&recipients(&[&one, &two]), file).unwrap();
        assert!(after.unwrap_key(&wrapped, b"c").await.is_ok());
        let renamed = WrappedKey { key_id: after.key_id.clone(), ..wrapped };
        assert!(matches!(after.unwrap_key(&renamed, b"c").await, Err(CustodyError::Fatal(_))));
    }

    #[tokio::test]
    async fn an_identity_that_is_missing_open_or_damaged_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let own = x25519::Identity::generate();
        let file = identity_file(folder.path(), &own);
        let encryption = AgeEncryption::new(&recipients(&[&own]), file.clone()).unwrap();
        let wrapped = encryption.wrap_key(&Secret::new(vec![7; 32]), b"c").await.unwrap();
        let said = async || encryption.unwrap_key(&wrapped, b"c").await.err().unwrap();

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(said().await.to_string().contains("mode 644"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(encryption.unwrap_key(&wrapped, b"c").await.is_ok(), "a group may");
        fs::remove_file(&file).unwrap();
        assert!(said().await.is_retryable(), "it may be just replaced");
        fs::write(&file, "AGE-SECRET-KEY-1NONSENSE\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let text = said().await.to_string();
        assert!(text.contains("does not hold an identity") && !text.contains("NONSENSE"), "{text}");
    }
}
