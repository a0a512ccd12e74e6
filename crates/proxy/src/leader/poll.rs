//! Asks every server how it is, for as long as the proxy runs.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, StatusCode, Uri};

use super::{Answer, Leadership};
use crate::body::RequestBody;
use crate::headers;
use crate::upstream::Upstream;
use crate::upstreams::Upstreams;

/// How long an answer may take. A server that does not answer this within a second answers nothing
/// else either; one that is merely busy answers health in milliseconds.
const DEADLINE: Duration = Duration::from_secs(1);

/// Whom the server is told that this is for; an address, as it parses the header.
const OURSELVES: HeaderValue = HeaderValue::from_static("127.0.0.1");

/// Asks all servers, each at its own pace. Never returns.
pub(crate) async fn all(leadership: &Leadership, upstreams: &Upstreams) {
    let mut standing = upstreams.follow();
    loop {
        let now = standing.borrow_and_update().clone();
        let each = now.iter().enumerate();
        let asked = join_all(each.map(|(server, upstream)| one(leadership, server, upstream)));
        tokio::select! {
            _ = asked => {}
            Ok(()) = standing.changed() => {}
        }
    }
}

async fn one(leadership: &Leadership, server: usize, upstream: &Upstream) {
    loop {
        let asked = Instant::now();
        let answer = match tokio::time::timeout(DEADLINE, ask(upstream)).await {
            Ok(Some(StatusCode::OK)) => Answer::Active,
            Ok(Some(_)) => Answer::NotActive,
            Ok(None) | Err(_) => Answer::Nothing,
        };
        leadership.heard(server, answer, asked);
        upstream.prune();
        leadership.pause(server).await;
    }
}

/// The status of `GET /v1/sys/health`; `None` when there is no answer.
async fn ask(upstream: &Upstream) -> Option<StatusCode> {
    let mut request = Request::new(RequestBody::Whole(None));
    *request.uri_mut() = Uri::from(PathAndQuery::from_static("/v1/sys/health"));
    headers::to_server(request.headers_mut(), &OURSELVES, Some("localhost"));
    let mut wire = upstream.wire().await.ok()?;
    let mut reply = wire.send(request);
    let response = poll_fn(|cx| wire.poll_reply(&mut reply, cx)).await.ok()?;
    let (parts, mut body) = response.into_parts();
    while let Some(frame) = poll_fn(|cx| wire.poll_body(&mut body, cx)).await {
        frame.ok()?;
    }
    upstream.keep(wire);
    Some(parts.status)
}
