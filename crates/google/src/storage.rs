//! A folder of a bucket of Cloud Storage, as a key store and as a place for snapshots.

mod snapshots;

use std::fmt::Display;

use async_trait::async_trait;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use vaultyard_model::cluster::{Bucket, Prefix, Web};
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, Object, ObjectName};
use zeroize::Zeroizing;

use crate::checksum::Crc32c;
use crate::service::{Answer, Body, Service};
use crate::{Account, NoClient};

const BYTES: &str = "application/octet-stream";
const NAME: &str = "Google Cloud Storage";
const ADDRESS: &str = "https://storage.googleapis.com";
/// The name of an object is one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What the account must be allowed.
const NEEDS: &str = "the account needs the role roles/storage.objectUser on the bucket \
                     (storage.objects.create, get, list and delete)";

/// A folder of a bucket. An object is created only where none is (`ifGenerationMatch=0`), and its
/// version is the generation that the service gives it.
pub struct GoogleStorage {
    service: Service,
    bucket: Bucket,
    prefix: Prefix,
}

/// What the service knows of an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    generation: String,
    crc32c: String,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
}

impl GoogleStorage {
    /// The folder `prefix` of a bucket, at Google or at another address.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(
        account: Account,
        endpoint: Option<&Web>,
        bucket: Bucket,
        prefix: Prefix,
    ) -> Result<Self, NoClient> {
        Ok(Self { service: Service::new(NAME, ADDRESS, endpoint, account)?, bucket, prefix })
    }

    fn place(&self, name: impl Display) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// The path at which an object is created, with this kind of upload; only where none is.
    fn creation_path(&self, kind: &str, place: &str) -> String {
        let (bucket, place) = (&self.bucket, utf8_percent_encode(place, SEGMENT));
        format!(
            "/upload/storage/v1/b/{bucket}/o?uploadType={kind}&ifGenerationMatch=0&name={place}"
        )
    }

    fn object_path(&self, place: &str) -> String {
        format!("/storage/v1/b/{}/o/{}", self.bucket, utf8_percent_encode(place, SEGMENT))
    }

    /// An object anywhere in the bucket.
    pub(crate) async fn read_place(&self, place: &str) -> Result<Option<Object>, CustodyError> {
        let act = format!("read gs://{}/{place}", self.bucket);
        let path = self.object_path(place) + "?alt=media";
        let answer = self.service.ask(&act, Method::GET, &path, None).await?;
        match answer.status {
            200 => self.object(&act, &answer).map(Some),
            404 => self.absent(place).await.map(|()| None),
            _ => Err(self.service.refused(&act, &answer, NEEDS)),
        }
    }

    fn object(&self, act: &str, answer: &Answer) -> Result<Object, CustodyError> {
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let generation = header("x-goog-generation").and_then(|text| text.parse().ok());
        let version =
            generation.ok_or_else(|| self.service.odd(act, "the answer has no generation"))?;
        let sums = answer.headers.get_all("x-goog-hash").iter();
        let sum = sums.filter_map(|value| Crc32c::from_header(value.to_str().ok()?)).next();
        let sum = sum.ok_or_else(|| self.service.odd(act, "the answer has no checksum"))?;
        if sum != Crc32c::of(&answer.body) {
            return Err(self.service.damaged(act));
        }
        Ok(Object { bytes: answer.body.to_vec(), version })
    }

    /// Makes sure that there is no such object. A bucket that is gone, or one that we may not see,
    /// answers a read as one without the object does, and must never be taken for it.
    async fn absent(&self, place: &str) -> Result<(), CustodyError> {
        let act = format!("list gs://{}/{place}", self.bucket);
        let path = format!(
            "/storage/v1/b/{}/o?maxResults=1&prefix={}",
            self.bucket,
            utf8_percent_encode(place, SEGMENT)
        );
        let answer = self.service.ask(&act, Method::GET, &path, None).await?;
        match answer.status {
            200 => {
                let listed: Listed = self.service.json(&act, &answer)?;
                if listed.items.iter().any(|item| item.name == place) {
                    let text = format!("gs://{}/{place} was just created", self.bucket);
                    return Err(CustodyError::Retryable(text));
                }
                Ok(())
            }
            _ => Err(self.cannot_list(&act, &answer)),
        }
    }

    fn cannot_list(&self, act: &str, answer: &Answer) -> CustodyError {
        let gone = "the bucket is gone or was never made; it is not the same as an empty one";
        self.service.refused(act, answer, if answer.status == 404 { gone } else { NEEDS })
    }

    /// Deletes an object, and does not mind when there is none.
    async fn delete_place(&self, place: &str) -> Result<(), CustodyError> {
        let act = format!("delete gs://{}/{place}", self.bucket);
        let path = self.object_path(place);
        let answer = self.service.ask(&act, Method::DELETE, &path, None).await?;
        match answer.status {
            200 | 204 => Ok(()),
            404 => self.absent(place).await,
            _ => Err(self.service.refused(&act, &answer, NEEDS)),
        }
    }

    /// Holds what the service says of a new object against what it was sent; its generation.
    fn created(&self, act: &str, answer: &Answer, sent: Crc32c) -> Result<u64, CustodyError> {
        let described: Described = self.service.json(act, answer)?;
        if Crc32c::from_base64(&described.crc32c) != Some(sent) {
            return Err(CustodyError::Fatal(format!(
                "{NAME} did {act}, and holds other bytes than it was sent; nobody overwrites it, so \
                 delete this object after a look at it"
            )));
        }
        let generation = described.generation.parse();
        generation.map_err(|_| self.service.odd(act, "the answer has no generation"))
    }

    /// Two that create an object at one time: the service tells one of them to come again.
    fn conflict(act: &str) -> CustodyError {
        CustodyError::Retryable(format!("{NAME} cannot {act}: a conflict"))
    }
}

#[async_trait]
impl KeyStore for GoogleStorage {
    fn describe(&self) -> String {
        format!("bucket gs://{}/{}", self.bucket, self.prefix)
    }

    async fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Create, CustodyError> {
        let place = self.place(name);
        let act = format!("create gs://{}/{place}", self.bucket);
        let path = self.creation_path("media", &place);
        let body = Body { kind: BYTES, bytes: Zeroizing::new(bytes.to_vec()) };
        let answer = self.service.ask(&act, Method::POST, &path, Some(body)).await?;
        match answer.status {
            200 => {}
            412 => return Ok(Create::Exists),
            409 => return Err(Self::conflict(&act)),
            _ => return Err(self.service.refused(&act, &answer, NEEDS)),
        }
        self.created(&act, &answer, Crc32c::of(bytes)).map(Create::Created)
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Object>, CustodyError> {
        self.read_place(&self.place(name)).await
    }

    async fn discard_probe(&self, probe: &str) -> Result<(), CustodyError> {
        self.delete_place(&self.place(ObjectName::Probe(probe.to_owned()))).await
    }
}
