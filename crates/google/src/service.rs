//! One service of Google Cloud, spoken to over HTTPS.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use vaultyard_model::chain;
use vaultyard_model::cluster::Web;
use vaultyard_model::port::custody::CustodyError;
use zeroize::Zeroizing;

use crate::Account;

/// For connecting, TLS included.
const CONNECTING: Duration = Duration::from_secs(5);
/// For a whole call. The objects are small; who waits longer asks again.
const DEADLINE: Duration = Duration::from_secs(15);
/// For a call with a piece of a large object.
const DEADLINE_OF_PIECE: Duration = Duration::from_secs(120);
/// The largest answer that is read, in bytes. The largest object has 255 shares.
const LARGEST_ANSWER: usize = 1024 * 1024;
/// How many bytes of an answer get room at once: no answer with a key in it is moved in memory.
const ROOM: usize = 8 * 1024;

/// The HTTP client cannot be made: the platform has no authorities to trust.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client: {0}")]
pub struct NoClient(String);

/// A service at one address.
pub(crate) struct Service {
    name: &'static str,
    base: String,
    account: Account,
    http: reqwest::Client,
}

/// What is asked.
pub(crate) struct Call<'a> {
    /// What for, for messages: `create gs://bucket/object`.
    pub(crate) act: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(HeaderName, String)],
    pub(crate) body: Option<Body>,
    /// How much of a large object is read, in bytes.
    pub(crate) piece: usize,
}

/// What is sent.
pub(crate) struct Body {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    message: String,
}

impl Service {
    /// The service `name` at its own address, or at another one.
    pub(crate) fn new(
        name: &'static str,
        own: &str,
        other: Option<&Web>,
        account: Account,
    ) -> Result<Self, NoClient> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("vaultyard/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECTING)
            .build()
            .map_err(|error| NoClient(chain(&error)))?;
        let base = other.map_or_else(|| own.to_owned(), Web::to_string);
        Ok(Self { name, base, account, http })
    }

    /// Asks for something small. `act` is what for, for messages.
    pub(crate) async fn ask(
        &self,
        act: &str,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Answer, CustodyError> {
        self.call(Call { act, method, path, headers: &[], body, piece: 0 }).await
    }

    /// Asks.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, CustodyError> {
        let Call { act, method, path, headers, body, piece } = call;
        let sent = body.as_ref().map_or(0, |body| body.bytes.len());
        let is_small = sent.max(piece) <= LARGEST_ANSWER;
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .headers(self.account.headers().await?)
            .timeout(if is_small { DEADLINE } else { DEADLINE_OF_PIECE });
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(Body { kind, bytes }) = body {
            request = request.header(header::CONTENT_TYPE, kind).body(Bytes::from_owner(bytes));
        }
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            CustodyError::Retryable(format!("{} cannot {act}: {}", self.name, chain(&error)))
        };
        let mut response = request.send().await.map_err(failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > LARGEST_ANSWER.max(piece) {
                return Err(self.odd(act, "the answer is larger than any that is right"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: bytes })
    }

    /// An answer that is no success, as an error. `needs` says what must be so for it to work.
    pub(crate) fn refused(&self, act: &str, answer: &Answer, needs: &str) -> CustodyError {
        let said = match serde_json::from_slice::<Refusal>(&answer.body) {
            Ok(Refusal { error: Reason { message } }) if !message.is_empty() => message,
            _ => "no reason given".to_owned(),
        };
        let text = format!("{} cannot {act}: HTTP {}: {said}", self.name, answer.status);
        match answer.status {
            408 | 429 | 500.. => CustodyError::Retryable(text),
            _ => CustodyError::Fatal(format!("{text}; {needs}")),
        }
    }

    /// An answer that such a service does not give.
    pub(crate) fn odd(&self, act: &str, why: &str) -> CustodyError {
        let Self { name, base, .. } = self;
        CustodyError::Fatal(format!("{name} cannot {act}: {why}; find out what answers at {base}"))
    }

    /// Bytes that were changed on their way.
    pub(crate) fn damaged(&self, act: &str) -> CustodyError {
        let text =
            format!("{} cannot {act}: a checksum is wrong, bytes changed on the way", self.name);
        CustodyError::Retryable(text)
    }

    /// The answer as JSON.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        act: &str,
        answer: &Answer,
    ) -> Result<T, CustodyError> {
        // A parser's error can quote what it read, which may be a secret: only the place is told.
        serde_json::from_slice(&answer.body).map_err(|wrong| {
            let (line, column) = (wrong.line(), wrong.column());
            self.odd(act, &format!("the answer is wrong at line {line} column {column}"))
        })
    }
}
