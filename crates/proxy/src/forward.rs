//! A request on its way through the proxy.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use vaultyard_model::cluster::Proxy as Limits;

use crate::answer::{self, AnswerBody};
use crate::body::{self, BodyError, Taken};
use crate::budget::Budget;
use crate::end::End;
use crate::flight::{Field, Landed};
use crate::leader::Leadership;
use crate::metrics::{Metrics, Outcome};
use crate::replay::Kind;
use crate::send::{self, Errand};
use crate::socket::Line;
use crate::{guard, headers};

/// What all requests share.
pub(crate) struct Shared {
    /// Whether the proxy ends soon: HTTP/1.1 clients are to come by another one.
    pub(crate) leaving: AtomicBool,
    pub(crate) limits: Limits,
    pub(crate) leadership: Leadership,
    pub(crate) field: Field,
    /// Counts the heads of all requests.
    pub(crate) heads: Arc<Budget>,
    /// Counts the bodies that are taken whole.
    pub(crate) bodies: Arc<Budget>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Where a connection comes from.
pub(crate) struct Origin {
    pub(crate) peer: IpAddr,
    /// Whether its `X-Forwarded-For` is believed.
    pub(crate) trusted: bool,
    /// `peer` as the value of `X-Forwarded-For`.
    pub(crate) value: HeaderValue,
}

impl Origin {
    /// Judges a peer.
    pub(crate) fn new(peer: IpAddr, limits: &Limits) -> Self {
        let peer = peer.to_canonical();
        let trusted = limits.trusted_proxies.iter().any(|network| network.contains(peer));
        Self { peer, trusted, value: address(peer) }
    }
}

/// An address as the value of a header; always a valid one.
fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("0.0.0.0"))
}

/// Answers one request of a client.
pub(crate) async fn forward(
    shared: &Shared,
    origin: &Origin,
    line: &Line,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    if let Some(answer) = own(shared, request.uri().path()) {
        return answer;
    }
    let (mut head, incoming) = request.into_parts();
    let wrapped = head.headers.contains_key("x-vault-wrap-ttl");
    let kind = Kind::of(&head.method, head.uri.path(), wrapped);
    if let Err((status, message)) = admit(&head, &shared.limits) {
        shared.metrics.ended(kind, Outcome::Refused);
        return answer::error(status, &message);
    }
    // Measured as it came: what is taken out of it may lie in the same piece of memory.
    let size = headers::size(&head.uri, &head.headers);
    let client = prepare(&mut head, origin, &shared.limits);
    // Before anything waits, and until the answer.
    let Some(_counted) = shared.heads.take(client, size) else {
        return finish(shared, kind, Err(End::Full));
    };
    let taken = match body::take(incoming, &shared.bodies, client).await {
        Ok(taken) => taken,
        Err((error, unread)) => {
            let answer = finish(shared, kind, Err(End::Body(error)));
            return match error {
                BodyError::TooLarge => answer::lingering(answer, unread),
                BodyError::TooSlow | BodyError::Cut | BodyError::NoRoom => answer,
            };
        }
    };
    match taken {
        Taken::Whole(body, _counted) => {
            let errand = Errand::new(&shared.limits, kind, client, head.uri.path());
            finish(shared, kind, send::whole(shared, errand, &head, body).await)
        }
        Taken::Large(body) => {
            let kind = Kind::Streamed;
            let errand = Errand::new(&shared.limits, kind, client, head.uri.path());
            finish(shared, kind, send::streamed(shared, errand, head, body, line).await)
        }
    }
}

/// The proxy's own pages, which say how it is itself.
fn own(shared: &Shared, path: &str) -> Option<Response<AnswerBody>> {
    let well = match path.strip_prefix("/-/")? {
        "healthy" => true,
        "ready" => shared.field.leaders.borrow().is_some(),
        _ => return None,
    };
    let (status, text) = match well {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "no leader is known\n"),
    };
    let mut response = Response::new(AnswerBody::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    Some(response)
}

/// Whether the request may go to a server at all.
fn admit(head: &Parts, limits: &Limits) -> Result<(), (StatusCode, String)> {
    if head.method == Method::CONNECT || head.uri.path_and_query().is_none() {
        return Err((StatusCode::BAD_REQUEST, "this is not a forward proxy".to_owned()));
    }
    guard::check(&head.method, head.uri.path(), &head.headers, &limits.open)
        .map_err(|refusal| (StatusCode::FORBIDDEN, refusal.to_string()))
}

/// Makes the client's head the one that the server gets, and says who the client is.
fn prepare(head: &mut Parts, origin: &Origin, limits: &Limits) -> IpAddr {
    let client = match origin.trusted {
        true => headers::client_of(&head.headers, origin.peer, &limits.trusted_proxies),
        false => origin.peer,
    };
    let host = head.uri.authority().map(|authority| authority.as_str().to_owned());
    if client == origin.peer {
        headers::to_server(&mut head.headers, &origin.value, host.as_deref());
    } else {
        headers::to_server(&mut head.headers, &address(client), host.as_deref());
    }
    if host.is_some()
        && let Some(path) = head.uri.path_and_query()
    {
        head.uri = Uri::from(path.clone());
    }
    client
}

/// Counts, and makes of the server's answer that for the client.
fn finish(shared: &Shared, kind: Kind, landed: Result<Landed, End>) -> Response<AnswerBody> {
    let (mut parts, body) = match landed {
        Ok(Landed::Whole(parts, body)) => (parts, AnswerBody::whole(body)),
        Ok(Landed::Long(parts, long)) => (parts, AnswerBody::long(long)),
        Err(end) => {
            shared.metrics.ended(kind, end.outcome());
            return end.answer();
        }
    };
    let failed = parts.status.is_server_error();
    let outcome = if failed { Outcome::ServerError } else { Outcome::Answered };
    shared.metrics.ended(kind, outcome);
    headers::to_client(&mut parts.headers);
    Response::from_parts(parts, body)
}
