//! The door between parts of one cluster: mutual TLS. What is asked here is done, so who asks is known
//! by a certificate.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use rustls::pki_types::ServerName as TlsName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use vaultyard_certificates::Certificate;
use vaultyard_model::chain;

use super::door::Answer;
use crate::converse;
use crate::failure::Failure;

/// The port, as the manifests name it.
const PORT: u16 = vaultyard_render::kubernetes::pod::UNSEALER as u16;
/// Nobody needs longer for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Each proxy and each other unsealer has one question open.
const MOST_CALLERS: usize = 64;

/// Listens on all addresses of the pod.
pub(crate) async fn open() -> Result<TcpListener, Failure> {
    converse::listen_everywhere(PORT, "our own").await
}

/// Answers for ever. `answer` is told who asks, by the name in the certificate.
pub(crate) async fn answer<A, F>(listener: TcpListener, tls: Arc<ServerConfig>, answer: A)
where
    A: Fn(String, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let one = |stream| one(acceptor.clone(), stream, answer.clone());
    converse::attend(listener, MOST_CALLERS, one).await;
}

async fn one<A, F>(acceptor: TlsAcceptor, stream: TcpStream, answer: A)
where
    A: Fn(String, Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    // A caller without a certificate of ours is no concern of ours.
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let shown = shown.and_then(|leaf| Certificate::from_der(leaf).ok());
    let Some(caller) = shown.and_then(|leaf| leaf.common_name) else { return };
    converse::converse(stream, false, |request| answer(caller.clone(), request)).await;
}

/// Asks at a server's door and reads the answer.
pub(crate) async fn ask(
    host: &str,
    tls: &Arc<ClientConfig>,
    method: Method,
    path: &str,
    within: Duration,
) -> Result<(StatusCode, Bytes), String> {
    let asked = async {
        let name = TlsName::try_from(host.to_owned()).map_err(|error| chain(&error))?;
        let stream = TcpStream::connect((host, PORT)).await.map_err(|error| chain(&error))?;
        let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
        let stream = stream.map_err(|error| chain(&error))?;
        let request = Request::builder().method(method).uri(path).header(HOST, host);
        let request = request.body(Empty::new()).map_err(|error| chain(&error))?;
        converse::ask(stream, request).await.map_err(|error| chain(&error))
    };
    timeout(within, asked).await.unwrap_or_else(|_| Err(format!("no answer within {within:?}")))
}
