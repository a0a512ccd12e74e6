//! A folder of a bucket of S3, as a key store and as a place for snapshots.

mod snapshots;

use std::fmt::Display;

use async_trait::async_trait;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use vaultyard_model::cluster::{AwsRegion, Bucket, Prefix, Web};
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, Object, ObjectName};
use zeroize::Zeroizing;

use crate::service::{Answer, Call, Said, Service};
use crate::{Account, NoClient};

const BYTES: &str = "application/octet-stream";
const NAME: &str = "S3";
/// What stays as it is in the path of an object, by the rules of signatures.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// What the account must be allowed.
const NEEDS: &str = "the account needs s3:PutObject, s3:GetObject and s3:DeleteObject on the objects \
                     and s3:ListBucket on the bucket";
/// Objects are never replaced, so each has one version; the names that S3 gives to versions are no
/// numbers.
const VERSION: u64 = 1;

/// A folder of a bucket. An object is created only where none is (`If-None-Match: *`).
pub struct S3 {
    service: Service,
    bucket: Bucket,
    prefix: Prefix,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
    message: String,
}

impl S3 {
    /// The folder `prefix` of a bucket, at the region's own address or at another one.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(
        account: Account,
        region: AwsRegion,
        endpoint: Option<&Web>,
        bucket: Bucket,
        prefix: Prefix,
    ) -> Result<Self, NoClient> {
        let service = Service::new((NAME, "s3"), region, endpoint, account)?;
        Ok(Self { service, bucket, prefix })
    }

    /// The object's place, and its path at the service.
    fn place(&self, name: impl Display) -> (String, String) {
        let place = format!("{}/{}/{name}", self.bucket, self.prefix);
        let path = format!("/{}", utf8_percent_encode(&place, PATH));
        (format!("s3://{place}"), path)
    }

    async fn ask(
        &self,
        act: &str,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: &[u8],
    ) -> Result<Answer, CustodyError> {
        let body = Zeroizing::new(body.to_vec());
        self.service.ask(Call { act, method, path, headers, body, piece: 0 }).await
    }

    /// Creates an object in one piece, and only where none is; whether none was.
    async fn put(&self, name: impl Display, bytes: &[u8]) -> Result<bool, CustodyError> {
        let (place, path) = self.place(name);
        let act = format!("create {place}");
        let headers = [only_new(), (header::CONTENT_TYPE, HeaderValue::from_static(BYTES))];
        let answer = self.ask(&act, Method::PUT, &path, &headers, bytes).await?;
        match answer.status {
            200 | 201 | 204 => Ok(true),
            412 => Ok(false),
            _ => Err(self.refused(&act, &answer, NEEDS)),
        }
    }

    /// Deletes an object, and does not mind when there is none.
    async fn delete(&self, name: impl Display) -> Result<(), CustodyError> {
        let (place, path) = self.place(name);
        let act = format!("delete {place}");
        let answer = self.ask(&act, Method::DELETE, &path, &[], b"").await?;
        match answer.status {
            200 | 204 => Ok(()),
            404 => self.bucket_is_there().await,
            _ => Err(self.refused(&act, &answer, NEEDS)),
        }
    }

    fn refused(&self, act: &str, answer: &Answer, needs: &str) -> CustodyError {
        let refusal: Refusal = quick_xml::de::from_reader(&**answer.body).unwrap_or_default();
        let said = Said { code: refusal.code, message: refusal.message };
        self.service.refused(act, answer.status, said, needs)
    }

    /// Makes sure that the bucket is there and that we may see what it holds. Without both, a read of
    /// an object that is there may be answered as if it were not.
    async fn bucket_is_there(&self) -> Result<(), CustodyError> {
        let act = format!("look into s3://{}", self.bucket);
        let answer = self.ask(&act, Method::HEAD, &format!("/{}", self.bucket), &[], b"").await?;
        match answer.status {
            200 => Ok(()),
            404 => {
                let needs =
                    "the bucket is gone or was never made; it is not the same as an empty one";
                Err(self.refused(&act, &answer, needs))
            }
            _ => Err(self.refused(&act, &answer, NEEDS)),
        }
    }
}

fn only_new() -> (HeaderName, HeaderValue) {
    (header::IF_NONE_MATCH, HeaderValue::from_static("*"))
}

#[async_trait]
impl KeyStore for S3 {
    fn describe(&self) -> String {
        format!("bucket s3://{}/{}", self.bucket, self.prefix)
    }

    async fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Create, CustodyError> {
        let is_new = self.put(name, bytes).await?;
        Ok(if is_new { Create::Created(VERSION) } else { Create::Exists })
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Object>, CustodyError> {
        let (place, path) = self.place(name);
        let act = format!("read {place}");
        let answer = self.ask(&act, Method::GET, &path, &[], b"").await?;
        match answer.status {
            200 if answer.headers.contains_key(header::ETAG) => {
                Ok(Some(Object { bytes: answer.body.to_vec(), version: VERSION }))
            }
            200 => Err(self.service.odd(&act, "the answer has no ETag")),
            404 => self.bucket_is_there().await.map(|()| None),
            _ => Err(self.refused(&act, &answer, NEEDS)),
        }
    }

    async fn discard_probe(&self, probe: &str) -> Result<(), CustodyError> {
        self.delete(ObjectName::Probe(probe.to_owned())).await
    }
}
