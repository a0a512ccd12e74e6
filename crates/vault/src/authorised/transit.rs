//! Keys of a transit engine, which encrypt for others and never leave the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;
use zeroize::Zeroizing;

use super::Authorised;
use crate::Hidden;
use crate::call::Call;

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Hidden,
}

impl Authorised<'_> {
    /// Encrypts with the newest version of a key: `vault:v1:...`. What is associated is
    /// authenticated, and must be given again to decrypt.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn transit_encrypt(
        &self,
        mount: &str,
        key: &str,
        plain: &Secret,
        associated: &[u8],
    ) -> Result<String, CallError> {
        let plain = Zeroizing::new(STANDARD.encode(plain.expose()));
        let body = Encrypt { plaintext: &plain, associated_data: &STANDARD.encode(associated) };
        let call = Call::put(format!("{mount}/encrypt/{key}")).json(&body)?;
        self.ask(call).await?.data::<Encrypted>().map(|encrypted| encrypted.ciphertext)
    }

    /// Decrypts what any version of the key encrypted that the server still keeps.
    ///
    /// # Errors
    /// [`CallError`]; 400 when a byte or what is associated was changed.
    pub async fn transit_decrypt(
        &self,
        mount: &str,
        key: &str,
        cipher: &str,
        associated: &[u8],
    ) -> Result<Secret, CallError> {
        let body = Decrypt { ciphertext: cipher, associated_data: &STANDARD.encode(associated) };
        let call = Call::put(format!("{mount}/decrypt/{key}")).json(&body)?;
        let Decrypted { plaintext: Hidden(plain) } = self.ask(call).await?.data()?;
        let plain = STANDARD.decode(plain.expose());
        plain
            .map(Secret::new)
            .map_err(|_| CallError::Malformed("the plain text is not base64".to_owned()))
    }
}
