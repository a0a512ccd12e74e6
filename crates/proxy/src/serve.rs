//! HTTP on one connection of a client.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::activity::{Activity, HEADERS, IDLE, Patient};
use crate::answer::AnswerBody;
use crate::forward::{Origin, Shared, forward};
use crate::socket::{Line, Socket};

/// The largest head of an HTTP/1.1 request, in bytes; a larger one is answered with 431.
const HEAD: usize = 64 << 10;
/// The same for HTTP/2. While a head arrives it is not counted yet, but only one does on a
/// connection at one time (RFC 9113, section 4.3).
const HEAD_TWO: u32 = 16 << 10;
/// Requests on one HTTP/2 connection at one time. Fewer are not advised (RFC 9113, section
/// 6.5.2), and clients take 100 for granted until they are told otherwise. What their heads take is
/// bounded by a [`Budget`](crate::budget::Budget), not by this number.
const STREAMS: u32 = 100;
/// How much of one HTTP/2 request lies in the proxy unread, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
/// How much of all requests of one HTTP/2 connection does, in bytes.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// How much of one HTTP/2 answer waits to be sent, in bytes.
const SEND_BUFFER: usize = 64 << 10;

/// What a connection is served with; made once.
pub(crate) struct Protocols {
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Protocols {
    /// Bounds memory for each connection, and leaves deadlines to [`Patient`].
    pub(crate) fn new() -> Self {
        let mut one = http1::Builder::new();
        one.timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(HEAD)
            .auto_date_header(false);
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEAD_TWO)
            .auto_date_header(false);
        Self { one, two }
    }

    /// Serves until the client is done, or `closing` turns true and the last request is answered.
    pub(crate) async fn serve(
        &self,
        tls: TlsStream<Socket>,
        shared: Arc<Shared>,
        origin: Origin,
        mut closing: watch::Receiver<bool>,
    ) {
        let two = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let (activity, line) = (Activity::new(), tls.get_ref().0.line());
        let headers = if two { IDLE } else { HEADERS };
        let io = TokioIo::new(Patient::new(tls, Arc::clone(&activity), headers));
        let session = Session { shared, origin: Arc::new(origin), line, activity };
        let closed = async {
            // An error means that the proxy is gone, and this connection with it.
            let _ = closing.wait_for(|closing| *closing).await;
        };
        let ended = if two {
            let mut connection = std::pin::pin!(self.two.serve_connection(io, session));
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = closed => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        } else {
            let mut connection = std::pin::pin!(self.one.serve_connection(io, session));
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = closed => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection of a client ended early");
        }
    }
}

/// Answers the requests of one connection.
struct Session {
    shared: Arc<Shared>,
    origin: Arc<Origin>,
    line: Line,
    activity: Arc<Activity>,
}

impl Service<Request<Incoming>> for Session {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    /// Boxed, since a connection would else keep room for a request while it rests.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let serving = self.activity.serve();
        let (shared, origin) = (Arc::clone(&self.shared), Arc::clone(&self.origin));
        let line = self.line.clone();
        Box::pin(async move {
            let answer = forward(&shared, &origin, &line, request).await;
            Ok(answer.map(|body| body.serving(serving)))
        })
    }
}
