//! One service of AWS, spoken to over HTTPS with signed requests.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpClient, HttpConnector, HttpRequestBody, ReqwestConnector};
use vaultyard_model::chain;
use vaultyard_model::cluster::{AwsRegion, Web};
use vaultyard_model::port::custody::CustodyError;
use zeroize::Zeroizing;

use crate::Account;
use crate::account::client_options;

/// The largest answer that is read, in bytes. The largest object has 255 shares.
const LARGEST_ANSWER: usize = 1024 * 1024;
/// For a call with a piece of a large object.
const DEADLINE_OF_PIECE: Duration = Duration::from_secs(120);
/// How many bytes of an answer get room at once: no answer with a key in it is moved in memory.
const ROOM: usize = 8 * 1024;

/// The HTTP client cannot be made: the platform has no authorities to trust.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client: {0}")]
pub struct NoClient(String);

/// A service of one region.
pub(crate) struct Service {
    /// What people call it.
    pub(crate) name: &'static str,
    /// What signatures call it.
    id: &'static str,
    region: AwsRegion,
    base: String,
    account: Account,
    http: HttpClient,
    /// For calls with a piece of a large object.
    patient: HttpClient,
}

/// What is asked.
pub(crate) struct Call<'a> {
    /// What for, for messages: `create s3://bucket/object`.
    pub(crate) act: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// How much of a large object is read, in bytes.
    pub(crate) piece: usize,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Service {
    /// The service at the region's own address, or at another one.
    pub(crate) fn new(
        (name, id): (&'static str, &'static str),
        region: AwsRegion,
        other: Option<&Web>,
        account: Account,
    ) -> Result<Self, NoClient> {
        let base = other.map_or_else(|| own_address(id, &region), Web::to_string);
        let client = |options: ClientOptions| {
            // `Web` is without TLS on this machine only.
            let options = options.with_allow_http(other.is_some_and(|web| !web.tls()));
            let http = ReqwestConnector::default().connect(&options);
            http.map_err(|error| NoClient(chain(&error)))
        };
        let http = client(client_options())?;
        let patient = client(client_options().with_timeout(DEADLINE_OF_PIECE))?;
        Ok(Self { name, id, region, base, account, http, patient })
    }

    /// Asks.
    pub(crate) async fn ask(&self, call: Call<'_>) -> Result<Answer, CustodyError> {
        let Call { act, method, path, headers, body, piece } = call;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let is_small = body.len().max(piece) <= LARGEST_ANSWER;
        let http = if is_small { &self.http } else { &self.patient };
        let body = HttpRequestBody::from(Bytes::from_owner(body));
        let mut request = request.body(body).map_err(|error| self.fatal(act, &error))?;
        let credential = self.account.credential().await?;
        AwsAuthorizer::new(&credential, self.id, self.region.as_str())
            .try_authorize(&mut request, None)
            .map_err(|error| self.fatal(act, &error))?;

        let failed = |error: &dyn std::error::Error| {
            CustodyError::Retryable(format!("{} cannot {act}: {}", self.name, chain(error)))
        };
        let answer = http.execute(request).await.map_err(|error| failed(&error))?;
        let (parts, mut incoming) = answer.into_parts();
        let mut body = Zeroizing::new(Vec::with_capacity(ROOM));
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(|error| failed(&error))?.into_data() else { continue };
            if body.len() + data.len() > LARGEST_ANSWER.max(piece) {
                return Err(self.odd(act, "the answer is larger than any that is right"));
            }
            body.extend_from_slice(&data);
        }
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// An answer that is no success, as an error. `said` is what the service says of it, `needs` what
    /// must be so for it to work.
    pub(crate) fn refused(
        &self,
        act: &str,
        status: u16,
        Said { code, message }: Said,
        needs: &str,
    ) -> CustodyError {
        let said = match (code.as_str(), message.as_str()) {
            ("", "") => "no reason given".to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        let text = format!("{} cannot {act}: HTTP {status}: {said}", self.name);
        if matches!(status, 408 | 429 | 500..) || PASSES.contains(&code.as_str()) {
            CustodyError::Retryable(text)
        } else {
            CustodyError::Fatal(format!("{text}; {needs}"))
        }
    }

    /// An answer that such a service does not give.
    pub(crate) fn odd(&self, act: &str, why: &str) -> CustodyError {
        let Self { name, base, .. } = self;
        CustodyError::Fatal(format!("{name} cannot {act}: {why}; find out what answers at {base}"))
    }

    fn fatal(&self, act: &str, why: &dyn Display) -> CustodyError {
        CustodyError::Fatal(format!("{} cannot {act}: {why}", self.name))
    }
}

/// What a service says of a call that it refuses.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Refusals with a status below 500 that pass by themselves: throttling, credentials that are replaced,
/// what KMS says of a part of itself that is away, and what S3 says when it has begun an answer too early.
const PASSES: &[&str] = &[
    "ConditionalRequestConflict",
    "DependencyTimeoutException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "KeyUnavailableException",
    "KMSInternalException",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
];

/// The partition of China has a domain of its own.
fn own_address(service: &str, region: &AwsRegion) -> String {
    let end = if region.as_str().starts_with("cn-") { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_its_own_address() {
        let at = |region| own_address("kms", &AwsRegion::new(region).unwrap());
        assert_eq!(at("eu-central-1"), "https://kms.eu-central-1.amazonaws.com");
        assert_eq!(at("cn-north-1"), "https://kms.cn-north-1.amazonaws.com.cn");
    }
}
