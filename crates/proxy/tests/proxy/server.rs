//! A server as the proxy sees it: its health and its answers, with the texts that real ones use.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::tls::Authority;

/// What a server does with requests, and what its health says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Answers.
    Active,
    /// 307 to somewhere else.
    Standby,
    /// 503 "Vault is sealed".
    Sealed,
    /// Stepping down: health is still 200, and requests get the 500.
    NotActive,
    /// Carries out the request and closes the connection without an answer; health is 200.
    Cuts,
    /// Takes the request and never answers; health does not answer either.
    Hangs,
}

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each write was carried out, by path.
    pub(crate) writes: HashMap<String, usize>,
    /// The headers of the last request.
    pub(crate) headers: HeaderMap,
    /// The length of the last body.
    pub(crate) body: usize,
    /// Requests at this moment.
    pub(crate) now: usize,
    /// The most requests at one time.
    pub(crate) most: usize,
}

struct State {
    role: Role,
    pace: Duration,
    seen: Seen,
}

/// A server; dropping it ends it as kill -9 would.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(authority: &Authority, role: Role) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let state = Arc::new(Mutex::new(State { role, pace: Duration::ZERO, seen }));
        let tls = TlsAcceptor::from(authority.server("server.test"));
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        Self { address, state, task }
    }

    pub(crate) fn set(&self, role: Role) {
        self.state.lock().unwrap().role = role;
    }

    /// How long each request takes.
    pub(crate) fn set_pace(&self, pace: Duration) {
        self.state.lock().unwrap().pace = pace;
    }

    pub(crate) fn seen<R>(&self, look: impl FnOnce(&Seen) -> R) -> R {
        look(&self.state.lock().unwrap().seen)
    }

    /// Ends it and waits until its port is free.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            let Ok(tls) = tls.accept(tcp).await else { return };
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
        });
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Counts a request for as long as it is here.
struct Present(Arc<Mutex<State>>);

impl Present {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        let mut locked = state.lock().unwrap();
        locked.seen.now += 1;
        locked.seen.most = locked.seen.most.max(locked.seen.now);
        Self(Arc::clone(state))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.lock().unwrap().seen.now -= 1;
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> io::Result<Answer> {
    let (role, pace) = {
        let state = state.lock().unwrap();
        (state.role, state.pace)
    };
    let path = request.uri().path().to_owned();
    if path == "/v1/sys/health" {
        return health(role).await;
    }
    let _present = Present::new(&state);
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    {
        let seen = &mut state.lock().unwrap().seen;
        seen.headers = head.headers;
        seen.body = body.len();
        if head.method == "PUT" && matches!(role, Role::Active | Role::Cuts) {
            *seen.writes.entry(path.clone()).or_default() += 1;
        }
    }
    tokio::time::sleep(if path.contains("slow") { Duration::from_secs(3600) } else { pace }).await;
    let text = match (role, path.as_str()) {
        (Role::Active, "/v1/sys/monitor") => return Ok(endless()),
        (Role::Active, "/v1/long") => vec![b'x'; 300_000].into(),
        (Role::Active, "/") => return Ok(redirect("/ui/")),
        (Role::Active, "/v1/fails") => {
            return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error"));
        }
        (Role::Active, _) => body,
        (Role::Standby, _) => return Ok(redirect("https://127.0.0.9:8200/v1/x")),
        (Role::Sealed, _) => {
            let text = r#"{"errors":["Vault is sealed"]}"#;
            return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        (Role::NotActive, _) => {
            let text = r#"{"errors":["local node not active but active cluster node not found"]}"#;
            return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, text));
        }
        (Role::Cuts, _) => return Err(io::Error::other("cut")),
        (Role::Hangs, _) => std::future::pending().await,
    };
    Ok(Response::new(Full::new(text).boxed()))
}

async fn health(role: Role) -> io::Result<Answer> {
    let status = match role {
        Role::Active | Role::NotActive | Role::Cuts => StatusCode::OK,
        Role::Standby => StatusCode::TOO_MANY_REQUESTS,
        Role::Sealed => StatusCode::SERVICE_UNAVAILABLE,
        Role::Hangs => std::future::pending().await,
    };
    Ok(plain(status, "{}"))
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *answer.status_mut() = status;
    answer
}

fn redirect(to: &'static str) -> Answer {
    let mut answer = plain(StatusCode::TEMPORARY_REDIRECT, "");
    answer.headers_mut().insert("location", http::HeaderValue::from_static(to));
    answer
}

fn endless() -> Answer {
    let lines = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok(Frame::data(Bytes::from_static(b"a line\n"))), ()))
    });
    Response::new(BodyExt::boxed(StreamBody::new(lines)))
}
