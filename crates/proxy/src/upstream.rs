//! Connections to one server.
//!
//! A connection is polled by the request that uses it, not by a task of its own: a request then
//! costs no switch between tasks, and a connection that died in the pool is found out before
//! anything is sent on it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName as TlsName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use vaultyard_model::Address;

use crate::body::{BodyError, RequestBody};

/// How long connecting and the TLS handshake may take together. A stopped process still accepts
/// connections (its kernel does), so this is how such a leader is found out.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a connection may lie in the pool; the server closes it after five minutes.
const IDLE: Duration = Duration::from_secs(60);
/// The largest head of an answer, in bytes.
const HEAD: usize = 64 << 10;

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// TCP or TLS.
    #[error("no connection")]
    Io(#[from] io::Error),
    /// HTTP, before anything was sent.
    #[error("no HTTP")]
    Http(#[from] hyper::Error),
    /// Too slow.
    #[error("no connection within {} s", CONNECT.as_secs())]
    TooSlow,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing was sent.
    NotSent,
    /// The connection ended before the answer did.
    Broken,
    /// Another server leads, and this one is silent.
    Deposed,
    /// Too slow.
    Silent,
    /// A read whose answer is long, while as many long answers are passed on as may be.
    Crowded,
    /// The client's body did not come as it should.
    Body(BodyError),
}

/// One server.
pub(crate) struct Upstream {
    address: Address,
    name: TlsName<'static>,
    tls: TlsConnector,
    pool: Mutex<Vec<Wire>>,
}

impl Upstream {
    /// `name` is what its certificate must be valid for.
    pub(crate) fn new(address: Address, name: TlsName<'static>, tls: TlsConnector) -> Arc<Self> {
        Arc::new(Self { address, name, tls, pool: Mutex::default() })
    }

    /// A connection that is ready: the one used last, or a new one.
    pub(crate) async fn wire(&self) -> Result<Wire, ConnectError> {
        loop {
            let pooled = self.pool().pop();
            let Some(mut wire) = pooled else { break };
            if wire.used.elapsed() < IDLE && poll_fn(|cx| Poll::Ready(wire.usable(cx))).await {
                return Ok(wire);
            }
        }
        tokio::time::timeout(CONNECT, self.connect()).await.map_err(|_| ConnectError::TooSlow)?
    }

    /// Takes a connection back whose answer has ended. Whether it can be used again is seen when
    /// it is asked for.
    pub(crate) fn keep(&self, mut wire: Wire) {
        if wire.connection.is_some() {
            wire.used = Instant::now();
            self.pool().push(wire);
        }
    }

    /// Closes connections that have lain long; they lie at the bottom.
    pub(crate) fn prune(&self) {
        let mut pool = self.pool();
        let old = pool.iter().take_while(|wire| wire.used.elapsed() >= IDLE).count();
        pool.drain(..old);
    }

    async fn connect(&self) -> Result<Wire, ConnectError> {
        let tcp = TcpStream::connect(self.address.to_string()).await?;
        tcp.set_nodelay(true)?;
        let tls = self.tls.connect(self.name.clone(), tcp).await?;
        let (sender, connection) =
            Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(tls)).await?;
        Ok(Wire { sender, connection: Some(Box::new(connection)), used: Instant::now() })
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Wire>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is awaited.
pub(crate) type Reply = Pin<
    Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + Send>,
>;

/// One connection. Whoever holds it polls it, by way of its methods.
pub(crate) struct Wire {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended.
    connection: Option<Box<Connection<TokioIo<TlsStream<TcpStream>>, RequestBody>>>,
    used: Instant,
}

impl Wire {
    /// Hands a request over; it is on its way when the reply is polled.
    pub(crate) fn send(&mut self, request: Request<RequestBody>) -> Reply {
        Box::pin(self.sender.try_send_request(request))
    }

    /// Moves bytes both ways and looks for the head of the answer.
    pub(crate) fn poll_reply(
        &mut self,
        reply: &mut Reply,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, Failure>> {
        self.drive(cx);
        reply.as_mut().poll(cx).map_err(|mut error| {
            if error.take_message().is_some() {
                return Failure::NotSent;
            }
            let error = error.into_error();
            let body = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
            body.map_or(Failure::Broken, |body: &BodyError| Failure::Body(*body))
        })
    }

    /// Moves bytes and looks for the next piece of the answer's body.
    pub(crate) fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let ready @ Poll::Ready(_) = Pin::new(&mut *body).poll_frame(cx) {
            return ready;
        }
        self.drive(cx);
        Pin::new(body).poll_frame(cx)
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    fn usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.connection.is_some() && self.sender.is_ready()
    }
}
