//! The door of every pod for kubelet, scrapers and controllers: plain HTTP, questions only.

use std::future::Future;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::converse;
use crate::failure::Failure;

/// The port, as the manifests name it.
pub(crate) const PORT: u16 = vaultyard_render::kubernetes::pod::PROBES as u16;

/// What is answered.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Listens on all addresses of the pod.
pub(crate) async fn open() -> Result<TcpListener, Failure> {
    converse::listen_everywhere(PORT, "probes").await
}

/// Answers for ever. That this program lives needs no other proof than that it answers.
pub(crate) async fn answer<A, F>(listener: TcpListener, answer: A)
where
    A: Fn(String) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Answer>> + Send + 'static,
{
    let all = move |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let answer = answer.clone();
        async move {
            match path.as_str() {
                "/alive" => text(StatusCode::OK, "alive"),
                _ => answer(path).await.unwrap_or_else(not_found),
            }
        }
    };
    converse::serve(listener, all).await;
}

/// Said to questions that are none of ours.
pub(crate) fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "not found")
}

/// Whether it is ready, or why it is not.
pub(crate) fn readiness(lacks: Option<&str>) -> Answer {
    match lacks {
        None => text(StatusCode::OK, "ready"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// An answer that is one word, or a few, without an end of line.
pub(crate) fn word(word: &'static str) -> Answer {
    Response::new(Full::new(Bytes::from_static(word.as_bytes())))
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
