//! A key encryption that is a key of AWS KMS.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaultyard_model::Secret;
use vaultyard_model::cluster::{AwsKey, AwsRegion, Web};
use vaultyard_model::port::custody::{Custody, CustodyError, KeyEncryption, WrappedKey};
use zeroize::Zeroizing;

use crate::hidden::Hidden;
use crate::service::{Answer, Call, Said, Service};
use crate::{Account, NoClient};

const NAME: &str = "AWS KMS";
/// A request with a data key in it fits, so that it is never moved in memory.
const ROOM: usize = 8 * 1024;
const NEEDS: &str = "the key must be enabled, the bytes unchanged, and the account needs kms:Encrypt \
                     and kms:Decrypt on the key";

/// A key of AWS KMS. What is authenticated beside a data key stands in logs of AWS, so a digest of it
/// is given.
pub struct AwsKms {
    service: Service,
    key: AwsKey,
    region: AwsRegion,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<&'a str>,
    encryption_context: EncryptionContext,
}

#[derive(Serialize)]
struct EncryptionContext {
    #[serde(rename = "vaultyard-context-sha256")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    key_id: String,
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    key_id: String,
    plaintext: Hidden,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    message: String,
}

impl AwsKms {
    /// The key, at the region's own address or at another one.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(
        account: Account,
        region: AwsRegion,
        endpoint: Option<&Web>,
        key: AwsKey,
    ) -> Result<Self, NoClient> {
        let service = Service::new((NAME, "kms"), region.clone(), endpoint, account)?;
        Ok(Self { service, key, region })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        operation: &str,
        act: &str,
        request: &Request<'_>,
    ) -> Result<T, CustodyError> {
        let no_request = || CustodyError::Fatal(format!("{NAME} cannot {act}: no request for it"));
        let mut body = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *body, request).map_err(|_| no_request())?;
        let target = HeaderValue::from_str(&format!("TrentService.{operation}"));
        let headers = [
            (HeaderName::from_static("x-amz-target"), target.map_err(|_| no_request())?),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1")),
        ];
        let call = Call { act, method: Method::POST, path: "/", headers: &headers, body, piece: 0 };
        let answer = self.service.ask(call).await?;
        if answer.status != 200 {
            return Err(self.refused(act, &answer));
        }
        // A parser's error can quote what it read, which may be a secret: only the place is told.
        serde_json::from_slice(&answer.body).map_err(|wrong| {
            let (line, column) = (wrong.line(), wrong.column());
            self.service.odd(act, &format!("the answer is wrong at line {line} column {column}"))
        })
    }

    fn refused(&self, act: &str, answer: &Answer) -> CustodyError {
        let Refusal { kind, message } = serde_json::from_slice(&answer.body).unwrap_or_default();
        // Some answers name the type with its space: com.amazonaws.kms#NotFoundException.
        let code = kind.rsplit('#').next().unwrap_or_default().to_owned();
        self.service.refused(act, answer.status, Said { code, message }, NEEDS)
    }
}

fn encryption_context(context: &[u8]) -> EncryptionContext {
    EncryptionContext { digest: STANDARD.encode(digest(&SHA256, context)) }
}

#[async_trait]
impl KeyEncryption for AwsKms {
    fn describe(&self) -> Custody {
        let location = format!("{NAME} {} in {}", self.key, self.region);
        Custody { location, key_beside_data: false }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        let act = format!("encrypt with {}", self.key);
        let plain = Zeroizing::new(STANDARD.encode(key.expose()));
        let request = Request {
            key_id: self.key.as_str(),
            plaintext: Some(&plain),
            ciphertext_blob: None,
            encryption_context: encryption_context(context),
        };
        let encrypted: Encrypted = self.ask("Encrypt", &act, &request).await?;
        let bytes = STANDARD
            .decode(&encrypted.ciphertext_blob)
            .map_err(|_| self.service.odd(&act, "the cipher text is not base64"))?;
        Ok(WrappedKey { key_id: encrypted.key_id, bytes })
    }

    /// The key that encrypted is asked for by its ARN: an alias may name another one since.
    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        let act = format!("decrypt with {}", key.key_id);
        let request = Request {
            key_id: &key.key_id,
            plaintext: None,
            ciphertext_blob: Some(&STANDARD.encode(&key.bytes)),
            encryption_context: encryption_context(context),
        };
        let decrypted: Decrypted = self.ask("Decrypt", &act, &request).await?;
        if decrypted.key_id != key.key_id {
            return Err(self.service.odd(&act, &format!("it used {}", decrypted.key_id)));
        }
        STANDARD
            .decode(&*decrypted.plaintext.0)
            .map(Secret::new)
            .map_err(|_| self.service.odd(&act, "the plain text is not base64"))
    }
}
