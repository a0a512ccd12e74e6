//! Answers on the control socket while `up` prepares and while it runs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use vaultyard_model::status;
use vaultyard_proxy::{Handle, Waits};

use super::wire::{self, CHANGE, WAITS, WITHOUT_SNAPSHOT};
use crate::converse::{NO_ROOM, converse};
use crate::local::change;

/// What the socket can answer from.
pub(crate) struct Desk {
    /// The status as the watcher publishes it.
    pub(crate) status: watch::Receiver<Option<status::Status>>,
    /// The names as they are published.
    pub(crate) records: watch::Receiver<Vec<wire::Record>>,
    /// The proxy; `None` while nothing runs yet.
    pub(crate) proxy: Option<Handle>,
    /// Told when somebody asks to stop.
    pub(crate) stop: watch::Sender<bool>,
    /// Given documents that are to be followed; `None` while nothing runs yet.
    pub(crate) change: Option<mpsc::Sender<change::Request>>,
}

/// Takes the socket's place; the lock of the state directory says that a file left there is
/// nobody's. Only the owner may ask; until that is so, the folder around it keeps others out.
pub(crate) fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// How long whoever has asked to stop may take to read the answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Answers while nothing is known yet, until somebody asks to stop.
pub(crate) async fn serve_until_told_to_stop(listener: &UnixListener) {
    let (_, status) = watch::channel(None);
    let (_, records) = watch::channel(Vec::new());
    let (stop, mut told) = watch::channel(false);
    let told = async move {
        // Its other end is on the desk, which is served as long as this is waited for.
        let _ = told.wait_for(|stop| *stop).await;
    };
    serve_until(listener, Desk { status, records, proxy: None, stop, change: None }, told).await;
}

/// Answers for ever.
pub(crate) async fn serve(listener: UnixListener, desk: Desk) {
    serve_until(&listener, desk, std::future::pending()).await;
}

async fn serve_until(listener: &UnixListener, desk: Desk, end: impl Future<Output = ()>) {
    let desk = Arc::new(desk);
    let mut callers = tokio::task::JoinSet::new();
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(NO_ROOM).await;
                    continue;
                };
                let desk = desk.clone();
                callers.spawn(async move {
                    converse(stream, true, |request| answer(request, &desk)).await;
                });
            }
            Some(_) = callers.join_next() => {}
        }
    }
    let answered = async { while callers.join_next().await.is_some() {} };
    // Who has not read it by then is not waited for.
    tokio::time::timeout(LAST_ANSWER, answered).await.ok();
}

async fn answer(request: Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/status") => match desk.status.borrow().as_ref() {
            Some(status) => json(&wire::Status::from(status)),
            None => plain(StatusCode::SERVICE_UNAVAILABLE),
        },
        (&Method::GET, "/v1/dns") => json(&*desk.records.borrow()),
        (&Method::GET, WAITS) => match &desk.proxy {
            Some(proxy) => waits(proxy, request.uri().query()),
            None => plain(StatusCode::SERVICE_UNAVAILABLE),
        },
        (&Method::POST, "/v1/down") => {
            desk.stop.send_replace(true);
            plain(StatusCode::ACCEPTED)
        }
        (&Method::POST, CHANGE) => match &desk.change {
            Some(change) => follow(request, change).await,
            None => plain(StatusCode::SERVICE_UNAVAILABLE),
        },
        _ => plain(StatusCode::NOT_FOUND),
    }
}

fn waits(proxy: &Handle, within: Option<&str>) -> Response<Full<Bytes>> {
    let within = within.and_then(|text| text.parse().ok());
    let Some(within) = within.map(Duration::from_millis) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let Waits { count, longest } = proxy.waits(within);
    json(&wire::Waits { held: count, longest_seconds: longest.as_secs_f64() })
}

/// Has the document followed that the request brings.
async fn follow(
    request: Request<Incoming>,
    change: &mpsc::Sender<change::Request>,
) -> Response<Full<Bytes>> {
    let snapshot = request.uri().query() != Some(WITHOUT_SNAPSHOT);
    let body = Limited::new(request.into_body(), vaultyard_manifest::LARGEST).collect().await;
    let text = body.ok().and_then(|body| String::from_utf8(body.to_bytes().into()).ok());
    let Some(text) = text else { return plain(StatusCode::BAD_REQUEST) };
    let (answer, answered) = oneshot::channel();
    // Whoever follows documents ends only with the program.
    change.send(change::Request { text, snapshot, answer }).await.ok();
    match answered.await {
        Ok(Ok(accepted)) => json(&wire::accepted(&accepted)),
        Ok(Err(failure)) => {
            let mut response = json(&wire::Refusal::from(&failure));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Response::new(Full::new(Bytes::from(bytes))),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
