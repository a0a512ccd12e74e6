//! `/metrics` of Vaultyard itself, on loopback, in the OpenMetrics text format.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::converse;
use crate::failure::{Failure, Kind};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |error| {
        Failure::text(Kind::Failed, format!("cannot listen on {address} for the metrics: {error}"))
    };
    TcpListener::bind(address).await.map_err(failed)
}

/// Answers for ever.
pub(crate) async fn serve(listener: TcpListener, registry: Registry) {
    let registry = Arc::new(registry);
    let answer = move |request: Request<Incoming>| {
        std::future::ready(match request.uri().path() {
            "/metrics" => text(&registry),
            _ => not_found(),
        })
    };
    converse::serve(listener, answer).await;
}

/// Everything that is counted, as an answer.
pub(crate) fn text(registry: &Registry) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => {
            let format = header::HeaderValue::from_static(OPEN_METRICS);
            response.headers_mut().insert(header::CONTENT_TYPE, format);
            *response.body_mut() = Full::new(Bytes::from(text));
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

fn not_found() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
