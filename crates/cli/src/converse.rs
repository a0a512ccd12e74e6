//! How the control socket, the metrics and the doors of pods speak HTTP/1.1.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::failure::{Failure, Kind};
use crate::system;

/// Asks once on a fresh connection and reads the whole answer.
pub(crate) async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static>,
) -> hyper::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let asked = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::pin!(asked, connection);
    tokio::select! {
        answered = &mut asked => answered,
        // The connection's own end tells nothing that the request's does not.
        _ = &mut connection => asked.await,
    }
}

/// How long a caller may take to say what it wants.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// The pause after a connection that could not be taken: descriptors have run out.
pub(crate) const NO_ROOM: Duration = Duration::from_millis(100);

/// Listens on all addresses of this machine or pod; `whom` says for errors who is to come.
pub(crate) async fn listen_everywhere(port: u16, whom: &str) -> Result<TcpListener, Failure> {
    let failed = |error| {
        Failure::text(Kind::Failed, format!("cannot listen on port {port} for {whom}: {error}"))
    };
    TcpListener::bind(system::everywhere(port)).await.map_err(failed)
}

/// Attends to everybody who comes, to `most` at one time, for ever.
pub(crate) async fn attend<F>(listener: TcpListener, most: usize, one: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut callers = JoinSet::new();
    loop {
        while callers.len() >= most {
            callers.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    callers.spawn(one(stream));
                }
                Err(_) => tokio::time::sleep(NO_ROOM).await,
            },
            Some(_) = callers.join_next() => {}
        }
    }
}

/// Callers of one door at one time: kubelet, a scraper and a controller need one each.
const MOST_CALLERS: usize = 16;

/// Answers everybody who comes, for ever.
pub(crate) async fn serve<A, F>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let one = |stream| {
        let answer = answer.clone();
        async move { converse(stream, false, answer).await }
    };
    attend(listener, MOST_CALLERS, one).await;
}

/// Answers one caller until it hangs up, or only once when it is not to be kept alive.
pub(crate) async fn converse<F: Future<Output = Response<Full<Bytes>>>>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    keep_alive: bool,
    answer: impl Fn(Request<Incoming>) -> F,
) {
    let service = service_fn(|request| {
        let response = answer(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .keep_alive(keep_alive)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that hangs up is no concern of ours.
    connection.await.ok();
}
