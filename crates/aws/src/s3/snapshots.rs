//! A bucket as a place for snapshots: sent in parts, read by ranges.
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>)

use async_trait::async_trait;
use http::header::{self, HeaderValue};
use http::{HeaderName, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::snapshots::{PIECE, Pieces, SnapshotStore, Stored};
use zeroize::Zeroizing;

use super::{NEEDS, S3, only_new};
use crate::service::{Answer, Call};

/// A page of what a bucket holds (`ListBucketResult`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    contents: Vec<Content>,
    next_continuation_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    size: u64,
}

/// `InitiateMultipartUploadResult`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Begun {
    upload_id: String,
}

#[derive(Serialize)]
#[serde(rename = "CompleteMultipartUpload")]
struct Complete<'a> {
    #[serde(rename = "Part")]
    parts: &'a [Part],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    part_number: u32,
    #[serde(rename = "ETag")]
    tag: String,
}

/// What an upload is completed with: that it was, or an error in spite of a status that is none.
#[derive(Deserialize)]
enum Completed {
    #[serde(rename = "CompleteMultipartUploadResult")]
    Whole {},
}

/// An object that is being sent in parts.
struct Upload<'a> {
    act: String,
    path: &'a str,
    id: String,
}

impl S3 {
    fn xml<T: DeserializeOwned>(&self, act: &str, answer: &Answer) -> Result<T, CustodyError> {
        let read = quick_xml::de::from_reader(&**answer.body);
        read.map_err(|_| self.service.odd(act, "the answer is not what the protocol says"))
    }

    async fn begin<'a>(&self, act: String, path: &'a str) -> Result<Upload<'a>, CustodyError> {
        let answer = self.ask(&act, Method::POST, &format!("{path}?uploads="), &[], b"").await?;
        if answer.status != 200 {
            return Err(self.refused(&act, &answer, NEEDS));
        }
        let Begun { upload_id } = self.xml(&act, &answer)?;
        let id = utf8_percent_encode(&upload_id, NON_ALPHANUMERIC).to_string();
        Ok(Upload { act, path, id })
    }

    async fn send(
        &self,
        Upload { act, path, id }: &Upload<'_>,
        part_number: u32,
        bytes: Vec<u8>,
    ) -> Result<Part, CustodyError> {
        let path = format!("{path}?partNumber={part_number}&uploadId={id}");
        let (method, body) = (Method::PUT, Zeroizing::new(bytes));
        let call = Call { act, method, path: &path, headers: &[], body, piece: 0 };
        let answer = self.service.ask(call).await?;
        let tag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        match (answer.status, tag) {
            (200, Some(tag)) => Ok(Part { part_number, tag: tag.to_owned() }),
            (200, None) => Err(self.service.odd(act, "the answer has no ETag")),
            _ => Err(self.refused(act, &answer, NEEDS)),
        }
    }

    async fn send_all(
        &self,
        upload: &Upload<'_>,
        first: Vec<u8>,
        pieces: &mut dyn Pieces,
    ) -> Result<Vec<Part>, CustodyError> {
        let (mut parts, mut piece, mut number) = (Vec::new(), Some(first), 0);
        while let Some(bytes) = piece {
            number += 1;
            parts.push(self.send(upload, number, bytes).await?);
            piece = pieces.next().await.map_err(unread)?;
        }
        Ok(parts)
    }

    /// Makes the parts one object, and only where none is; whether none was.
    async fn complete(
        &self,
        Upload { act, path, id }: &Upload<'_>,
        parts: &[Part],
    ) -> Result<bool, CustodyError> {
        let body = quick_xml::se::to_string(&Complete { parts });
        let body = body.map_err(|error| CustodyError::Fatal(error.to_string()))?;
        let path = format!("{path}?uploadId={id}");
        // It takes as long as it takes to make one object of the parts.
        let (headers, body) = ([only_new()], Zeroizing::new(body.into_bytes()));
        let method = Method::POST;
        let call = Call { act, method, path: &path, headers: &headers, body, piece: PIECE };
        let answer = self.service.ask(call).await?;
        match answer.status {
            200 if self.xml::<Completed>(act, &answer).is_ok() => Ok(true),
            412 => Ok(false),
            _ => Err(self.refused(act, &answer, NEEDS)),
        }
    }
}

impl S3 {
    /// Whether an object is there as it was sent, after an answer that did not come.
    async fn has(&self, name: &str, bytes: u64) -> bool {
        let listed = self.list().await.unwrap_or_default();
        listed.contains(&Stored { name: name.to_owned(), bytes })
    }
}

fn unread(error: std::io::Error) -> CustodyError {
    CustodyError::Fatal(format!("what is to be sent: {error}"))
}

#[async_trait]
impl SnapshotStore for S3 {
    fn describe(&self) -> String {
        format!("bucket s3://{}/{}", self.bucket, self.prefix)
    }

    async fn list(&self) -> Result<Vec<Stored>, CustodyError> {
        let act = format!("list s3://{}/{}", self.bucket, self.prefix);
        let folder = format!("{}/", self.prefix);
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let token_now = token.map(|token| format!("continuation-token={}&", encoded(&token)));
            let path = format!(
                "/{}?{}delimiter=%2F&list-type=2&prefix={}",
                self.bucket,
                token_now.unwrap_or_default(),
                encoded(&folder)
            );
            let answer = self.ask(&act, Method::GET, &path, &[], b"").await?;
            if answer.status != 200 {
                let gone = "the bucket is gone or was never made";
                let needs = if answer.status == 404 { gone } else { NEEDS };
                return Err(self.refused(&act, &answer, needs));
            }
            let page: Page = self.xml(&act, &answer)?;
            let named = page.contents.into_iter().filter_map(|Content { key, size }| {
                Some(Stored { name: key.strip_prefix(&folder)?.to_owned(), bytes: size })
            });
            all.extend(named);
            token = page.next_continuation_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn read(
        &self,
        name: &str,
        from: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, CustodyError> {
        let (place, path) = self.place(name);
        let act = format!("read {place}");
        let to = (from + length as u64).saturating_sub(1);
        let range = HeaderValue::try_from(format!("bytes={from}-{to}"));
        let range = range.map_err(|error| CustodyError::Fatal(error.to_string()))?;
        let headers: [(HeaderName, HeaderValue); 1] = [(header::RANGE, range)];
        let (method, body) = (Method::GET, Zeroizing::default());
        let call = Call { act: &act, method, path: &path, headers: &headers, body, piece: length };
        let answer = self.service.ask(call).await?;
        match answer.status {
            206 => Ok(Some(answer.body.to_vec())),
            404 => self.bucket_is_there().await.map(|()| None),
            416 => Ok(Some(Vec::new())),
            200 => Err(self.service.odd(&act, "the answer is more than was asked for")),
            _ => Err(self.refused(&act, &answer, NEEDS)),
        }
    }

    async fn create(&self, name: &str, pieces: &mut dyn Pieces) -> Result<bool, CustodyError> {
        let first = pieces.next().await.map_err(unread)?.unwrap_or_default();
        if pieces.length() <= PIECE as u64 {
            return self.put(name, &first).await;
        }
        let (place, path) = self.place(name);
        let upload = self.begin(format!("create {place}"), &path).await?;
        let created = match self.send_all(&upload, first, pieces).await {
            Ok(parts) => self.complete(&upload, &parts).await,
            Err(error) => Err(error),
        };
        if matches!(&created, Err(error) if error.is_retryable())
            && self.has(name, pieces.length()).await
        {
            return Ok(true);
        }
        if !matches!(created, Ok(true)) {
            // Parts that belong to nothing cost money. When this fails too, a rule of the bucket removes them.
            let path = format!("{}?uploadId={}", upload.path, upload.id);
            let act = format!("give up to {}", upload.act);
            self.ask(&act, Method::DELETE, &path, &[], b"").await.ok();
        }
        created
    }

    async fn remove(&self, name: &str) -> Result<(), CustodyError> {
        self.delete(name).await
    }
}
