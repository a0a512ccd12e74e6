//! Answers on the control socket while `up` runs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::watch;
use vaultyard_model::status;

use super::wire;
use crate::converse::{NO_ROOM, converse};

/// What the socket can answer from.
pub(crate) struct Desk {
    /// The status as the watcher publishes it.
    pub(crate) status: watch::Receiver<Option<status::Status>>,
    /// The names as they are published.
    pub(crate) records: watch::Receiver<Vec<wire::Record>>,
    /// Told when somebody asks to stop.
    pub(crate) stop: watch::Sender<bool>,
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

/// Answers for ever.
pub(crate) async fn serve(listener: UnixListener, desk: Desk) {
    let desk = Arc::new(desk);
    let mut callers = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
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
}

fn answer(request: &Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/status") => match desk.status.borrow().as_ref() {
            Some(status) => json(&wire::Status::from(status)),
            None => plain(StatusCode::SERVICE_UNAVAILABLE),
        },
        (&Method::GET, "/v1/dns") => json(&*desk.records.borrow()),
        (&Method::POST, "/v1/down") => {
            desk.stop.send_replace(true);
            plain(StatusCode::ACCEPTED)
        }
        _ => plain(StatusCode::NOT_FOUND),
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
