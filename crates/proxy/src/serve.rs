//! HTTP on one connection of a client.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderValue, Request, Response, header};
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

/// How far a proxy has come on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It does not end.
    Serving,
    /// It goes on, and asks clients to go.
    Leaving,
    /// It ends as soon as requests have.
    Closing,
}

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

    /// Serves until the client is done, or the proxy ends and the last request is answered. An HTTP/2
    /// client is told at once: what it sends until it hears of that is still answered (RFC 9113,
    /// section 6.8). An HTTP/1.1 connection stays open while the proxy is only leaving.
    pub(crate) async fn serve(
        &self,
        tls: TlsStream<Socket>,
        shared: Arc<Shared>,
        origin: Origin,
        mut stage: watch::Receiver<Stage>,
    ) {
        let two = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let (activity, line) = (Activity::new(), tls.get_ref().0.line());
        let headers = if two { IDLE } else { HEADERS };
        let io = TokioIo::new(Patient::new(tls, Arc::clone(&activity), headers));
        let last = if two { Stage::Leaving } else { Stage::Closing };
        let session = Session { shared, origin: Arc::new(origin), line, activity, two };
        let closed = async {
            // An error means that the proxy is gone, and this connection with it.
            let _ = stage.wait_for(|stage| *stage >= last).await;
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
    /// Whether it speaks HTTP/2.
    two: bool,
}

impl Service<Request<Incoming>> for Session {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    /// Boxed, since a connection would else keep room for a request while it rests.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let serving = self.activity.serve();
        let (shared, origin) = (Arc::clone(&self.shared), Arc::clone(&self.origin));
        let (line, two) = (self.line.clone(), self.two);
        Box::pin(async move {
            let mut answer = forward(&shared, &origin, &line, request).await;
            if !two && shared.leaving.load(Ordering::Relaxed) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(answer.map(|body| body.serving(serving)))
        })
    }
}
