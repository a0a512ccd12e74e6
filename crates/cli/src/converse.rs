//! How the control socket and the metrics speak HTTP/1.1.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a caller may take to say what it wants.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// The pause after a connection that could not be taken: descriptors have run out.
pub(crate) const NO_ROOM: Duration = Duration::from_millis(100);

/// Answers one caller until it hangs up, or only once when it is not to be kept alive.
pub(crate) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    keep_alive: bool,
    answer: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>>,
) {
    let service = service_fn(|request| {
        let response = answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .keep_alive(keep_alive)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that hangs up is no concern of ours.
    connection.await.ok();
}
