//! A bucket as a place for snapshots: sent by resumable uploads, read by ranges.
//! (<https://cloud.google.com/storage/docs/performing-resumable-uploads>)

use async_trait::async_trait;
use http::{HeaderName, Method, Uri, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::port::snapshots::{PIECE, Pieces, SnapshotStore, Stored};
use zeroize::Zeroizing;

use super::{BYTES, GoogleStorage, NEEDS, SEGMENT};
use crate::checksum::Growing;
use crate::service::{Answer, Body, Call};

/// What a resumable upload is answered with that goes on.
const GO_ON: u16 = 308;

/// Of each object no more than is read here, so that a page is no large answer.
const LISTED: &str = "delimiter=%2F&fields=items(name,size),nextPageToken&maxResults=500";

/// A page of what a bucket holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Item>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    /// A number as a text, as all that may need 64 bits.
    size: String,
}

impl GoogleStorage {
    /// Begins a resumable upload: the path that pieces are sent to; `None` when the object is there.
    async fn begin(&self, act: &str, place: &str) -> Result<Option<String>, CustodyError> {
        let path = self.creation_path("resumable", place);
        let body = Body { kind: "application/json", bytes: Zeroizing::new(b"{}".to_vec()) };
        let answer = self.service.ask(act, Method::POST, &path, Some(body)).await?;
        match answer.status {
            200 | 201 => {}
            409 => return Err(Self::conflict(act)),
            412 => return Ok(None),
            _ => return Err(self.service.refused(act, &answer, NEEDS)),
        }
        let location = answer.headers.get(header::LOCATION).and_then(|text| text.to_str().ok());
        let location = location.and_then(|text| text.parse::<Uri>().ok());
        // Asked at the address that is known: nobody else is shown a token.
        let path = location.and_then(|uri| Some(uri.path_and_query()?.to_string()));
        path.map(Some).ok_or_else(|| self.service.odd(act, "the answer has no place for an upload"))
    }

    /// What was sent of an upload so far must be kept; else it is begun anew.
    fn demand_persisted(&self, act: &str, answer: &Answer, sent: u64) -> Result<(), CustodyError> {
        let range = answer.headers.get(header::RANGE).and_then(|range| range.to_str().ok());
        let last = range.and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
        if last.is_some_and(|last| last + 1 == sent) {
            return Ok(());
        }
        Err(CustodyError::Retryable(format!("{act}: only a part of what was sent has arrived")))
    }

    async fn send(
        &self,
        act: &str,
        path: &str,
        (from, whole): (u64, u64),
        bytes: Vec<u8>,
    ) -> Result<Answer, CustodyError> {
        let to = (from + bytes.len() as u64).saturating_sub(1);
        let range = [(header::CONTENT_RANGE, format!("bytes {from}-{to}/{whole}"))];
        let body = Some(Body { kind: BYTES, bytes: Zeroizing::new(bytes) });
        // With the last piece the service makes one object of all, which takes time.
        let method = Method::PUT;
        self.service.call(Call { act, method, path, headers: &range, body, piece: PIECE }).await
    }
}

#[async_trait]
impl SnapshotStore for GoogleStorage {
    fn describe(&self) -> String {
        format!("bucket gs://{}/{}", self.bucket, self.prefix)
    }

    async fn list(&self) -> Result<Vec<Stored>, CustodyError> {
        let act = format!("list gs://{}/{}", self.bucket, self.prefix);
        let folder = self.place("");
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let prefix = utf8_percent_encode(&folder, SEGMENT);
            let mut path = format!("/storage/v1/b/{}/o?{LISTED}&prefix={prefix}", self.bucket);
            if let Some(token) = &token {
                path += &format!("&pageToken={}", utf8_percent_encode(token, SEGMENT));
            }
            let answer = self.service.ask(&act, Method::GET, &path, None).await?;
            if answer.status != 200 {
                return Err(self.cannot_list(&act, &answer));
            }
            let page: Page = self.service.json(&act, &answer)?;
            for Item { name, size } in page.items {
                let bytes = size.parse();
                let bytes = bytes.map_err(|_| self.service.odd(&act, "a size is no number"))?;
                if let Some(name) = name.strip_prefix(&folder) {
                    all.push(Stored { name: name.to_owned(), bytes });
                }
            }
            token = page.next_page_token.filter(|token| !token.is_empty());
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
        let place = self.place(name);
        let act = format!("read gs://{}/{place}", self.bucket);
        let path = self.object_path(&place) + "?alt=media";
        let to = (from + length as u64).saturating_sub(1);
        let headers: [(HeaderName, String); 1] = [(header::RANGE, format!("bytes={from}-{to}"))];
        let (method, headers) = (Method::GET, &headers[..]);
        let call = Call { act: &act, method, path: &path, headers, body: None, piece: length };
        let answer = self.service.call(call).await?;
        match answer.status {
            206 => Ok(Some(answer.body.to_vec())),
            404 => self.absent(&place).await.map(|()| None),
            416 => Ok(Some(Vec::new())),
            200 => Err(self.service.odd(&act, "the answer is more than was asked for")),
            _ => Err(self.service.refused(&act, &answer, NEEDS)),
        }
    }

    async fn create(&self, name: &str, pieces: &mut dyn Pieces) -> Result<bool, CustodyError> {
        let place = self.place(name);
        let act = format!("create gs://{}/{place}", self.bucket);
        let Some(path) = self.begin(&act, &place).await? else { return Ok(false) };
        let (whole, mut from, mut sum) = (pieces.length(), 0, Growing::default());
        let unread = |error| CustodyError::Fatal(format!("what is to be sent: {error}"));
        while let Some(piece) = pieces.next().await.map_err(unread)? {
            sum.add(&piece);
            let sent = piece.len() as u64;
            let answer = self.send(&act, &path, (from, whole), piece).await?;
            from += sent;
            match answer.status {
                GO_ON if from < whole => self.demand_persisted(&act, &answer, from)?,
                200 | 201 if from == whole => {
                    return self.created(&act, &answer, sum.so_far()).map(|_| true);
                }
                409 => return Err(Self::conflict(&act)),
                412 => return Ok(false),
                200..=399 => {
                    return Err(self.service.odd(&act, "it is done too early or too late"));
                }
                _ => return Err(self.service.refused(&act, &answer, NEEDS)),
            }
        }
        Err(unread(std::io::ErrorKind::UnexpectedEof.into()))
    }

    async fn remove(&self, name: &str) -> Result<(), CustodyError> {
        self.delete_place(&self.place(name)).await
    }
}
