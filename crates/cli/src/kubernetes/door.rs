//! The door of every pod for kubelet, scrapers and controllers: plain HTTP, questions only.

use std::net::{Ipv6Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::converse;
use crate::failure::{Failure, Kind};

/// The port, as the manifests name it.
pub(crate) const PORT: u16 = vaultyard_render::kubernetes::pod::PROBES as u16;

/// What is answered.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Listens on all addresses of the pod.
pub(crate) async fn open() -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
    let failed = |error| {
        Failure::text(Kind::Failed, format!("cannot listen on port {PORT} for probes: {error}"))
    };
    TcpListener::bind(address).await.map_err(failed)
}

/// Answers for ever. That this program lives needs no other proof than that it answers.
pub(crate) async fn answer<A>(listener: TcpListener, answer: A)
where
    A: Fn(&str) -> Option<Answer> + Clone + Send + Sync + 'static,
{
    let all = move |request: &Request<Incoming>| match request.uri().path() {
        "/alive" => text(StatusCode::OK, "alive"),
        path => answer(path).unwrap_or_else(|| text(StatusCode::NOT_FOUND, "not found")),
    };
    converse::serve(listener, all).await;
}

/// Whether it is ready, or why it is not.
pub(crate) fn readiness(lacks: Option<&str>) -> Answer {
    match lacks {
        None => text(StatusCode::OK, "ready"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// A line of text. Kubelet shows it in the events of a pod.
pub(crate) fn text(status: StatusCode, line: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{line}\n"))));
    *answer.status_mut() = status;
    answer
}

/// JSON.
pub(crate) fn json(bytes: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    let format = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, format);
    answer
}
