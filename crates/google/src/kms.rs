//! A key encryption that is a key of Cloud KMS.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::{Deserialize, Serialize};
use vaultyard_model::Secret;
use vaultyard_model::cluster::{GoogleKey, Web};
use vaultyard_model::port::custody::{Custody, CustodyError, KeyEncryption, WrappedKey};
use zeroize::Zeroizing;

use crate::checksum::Crc32c;
use crate::hidden::Hidden;
use crate::service::{Answer, Body, Service};
use crate::{Account, NoClient};

const NAME: &str = "Google Cloud KMS";
const ADDRESS: &str = "https://cloudkms.googleapis.com";
/// A request with a data key in it fits, so that it is never moved in memory.
const ROOM: usize = 8 * 1024;

/// A key of Cloud KMS. Everything that is sent and received carries checksums, which both sides
/// verify.
pub struct GoogleKms {
    service: Service,
    key: GoogleKey,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Encrypt<'a> {
    plaintext: &'a str,
    plaintext_crc32c: Crc32c,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: Crc32c,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encrypted {
    /// The version of the key that was used.
    name: String,
    ciphertext: String,
    ciphertext_crc32c: Crc32c,
    #[serde(default)]
    verified_plaintext_crc32c: bool,
    #[serde(default)]
    verified_additional_authenticated_data_crc32c: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decrypt<'a> {
    ciphertext: &'a str,
    ciphertext_crc32c: Crc32c,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: Crc32c,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decrypted {
    #[serde(default)]
    plaintext: Hidden,
    plaintext_crc32c: Crc32c,
}

impl GoogleKms {
    /// The key, at Google or at another address.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(account: Account, endpoint: Option<&Web>, key: GoogleKey) -> Result<Self, NoClient> {
        Ok(Self { service: Service::new(NAME, ADDRESS, endpoint, account)?, key })
    }

    async fn ask(
        &self,
        verb: &str,
        act: &str,
        request: &impl Serialize,
    ) -> Result<Answer, CustodyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *bytes, request)
            .map_err(|_| CustodyError::Fatal(format!("{NAME} cannot {act}: no request for it")))?;
        let path = format!("/v1/{}:{verb}", self.key);
        let body = Body { kind: "application/json", bytes };
        let answer = self.service.ask(act, Method::POST, &path, Some(body)).await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let needs = "the key and the version it was encrypted with must be enabled, the bytes \
                     unchanged, and the account needs the role \
                     roles/cloudkms.cryptoKeyEncrypterDecrypter on the key";
        Err(self.service.refused(act, &answer, needs))
    }

    /// Decrypts what any version of the key encrypted.
    pub(crate) async fn decrypt(
        &self,
        ciphertext: &[u8],
        context: &[u8],
    ) -> Result<Secret, CustodyError> {
        let act = format!("decrypt with {}", self.key);
        let request = Decrypt {
            ciphertext: &STANDARD.encode(ciphertext),
            ciphertext_crc32c: Crc32c::of(ciphertext),
            additional_authenticated_data: &STANDARD.encode(context),
            additional_authenticated_data_crc32c: Crc32c::of(context),
        };
        let answer = self.ask("decrypt", &act, &request).await?;
        let decrypted: Decrypted = self.service.json(&act, &answer)?;
        let plain = STANDARD
            .decode(&*decrypted.plaintext.0)
            .map(Secret::new)
            .map_err(|_| self.service.odd(&act, "the plain text is not base64"))?;
        if Crc32c::of(plain.expose()) != decrypted.plaintext_crc32c {
            return Err(self.service.damaged(&act));
        }
        Ok(plain)
    }
}

#[async_trait]
impl KeyEncryption for GoogleKms {
    fn describe(&self) -> Custody {
        Custody { location: format!("{NAME} {}", self.key), key_beside_data: false }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        let act = format!("encrypt with {}", self.key);
        let plain = Zeroizing::new(STANDARD.encode(key.expose()));
        let request = Encrypt {
            plaintext: &plain,
            plaintext_crc32c: Crc32c::of(key.expose()),
            additional_authenticated_data: &STANDARD.encode(context),
            additional_authenticated_data_crc32c: Crc32c::of(context),
        };
        let answer = self.ask("encrypt", &act, &request).await?;
        let encrypted: Encrypted = self.service.json(&act, &answer)?;
        let verified = encrypted.verified_plaintext_crc32c
            && encrypted.verified_additional_authenticated_data_crc32c;
        let bytes = STANDARD
            .decode(&encrypted.ciphertext)
            .map_err(|_| self.service.odd(&act, "the cipher text is not base64"))?;
        if !verified || Crc32c::of(&bytes) != encrypted.ciphertext_crc32c {
            return Err(self.service.damaged(&act));
        }
        if !is_version_of(&self.key, &encrypted.name) {
            return Err(self.service.odd(&act, &format!("it used {}", encrypted.name)));
        }
        Ok(WrappedKey { key_id: encrypted.name, bytes })
    }

    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        if !is_version_of(&self.key, &key.key_id) {
            return Err(CustodyError::Fatal(format!(
                "it was encrypted under {}, and spec.keys.encryption.googleKms.key names {}; put the \
                 right one back",
                key.key_id, self.key
            )));
        }
        self.decrypt(&key.bytes, context).await
    }
}

fn is_version_of(key: &GoogleKey, version: &str) -> bool {
    let rest = version.strip_prefix(key.as_str());
    rest.is_some_and(|rest| rest.starts_with("/cryptoKeyVersions/"))
}
