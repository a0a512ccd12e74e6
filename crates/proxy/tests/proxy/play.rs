//! A proxy before a few servers, and clients of it.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus_client::registry::Registry;
use rustls_pki_types::ServerName as TlsName;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vaultyard_model::ClusterName;
use vaultyard_model::cluster::Proxy as Limits;
use vaultyard_proxy::{Config, Handle, Metrics, Proxy};

use crate::server::{Role, Server};
use crate::tls::Authority;

pub(crate) const NAME: &str = "vault.test";

pub(crate) fn limits() -> Limits {
    Limits {
        max_in_flight: 40,
        hold: Duration::from_secs(10),
        max_held: 1000,
        max_held_bytes: 64 << 20,
        trusted_proxies: Vec::new(),
        proxy_protocol: false,
        open: Vec::new(),
    }
}

pub(crate) struct Play {
    pub(crate) servers: Vec<Server>,
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
    registry: Registry,
    authority: Authority,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Play {
    /// One server for each role, and a proxy that knows its leader if there is one.
    pub(crate) async fn start(limits: Limits, roles: &[Role]) -> Self {
        Self::start_with(limits, roles, |proxy| proxy).await
    }

    /// The same, with the proxy set as the test needs it.
    pub(crate) async fn start_with(
        limits: Limits,
        roles: &[Role],
        set: impl FnOnce(Proxy) -> Proxy,
    ) -> Self {
        let authority = Authority::new();
        let mut servers = Vec::new();
        for role in roles {
            servers.push(Server::start(&authority, *role).await);
        }
        let cluster = ClusterName::new("vault").unwrap();
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            limits,
            proxies: NonZeroU16::MIN,
            servers: (0..)
                .zip(&servers)
                .map(|(ordinal, server)| vaultyard_proxy::Server {
                    name: cluster.server(ordinal),
                    address: server.address.into(),
                    tls_name: "server.test".to_owned(),
                })
                .collect(),
        };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let certificate = authority.certificate(NAME);
        let trust = authority.client(&[]);
        let proxy = set(Proxy::bind(config, certificate, &trust, metrics).unwrap());
        let (handle, address) = (proxy.handle(), proxy.address());
        let (shutdown, stop) = oneshot::channel::<()>();
        let running = tokio::spawn(proxy.run(async {
            let _ = stop.await;
        }));
        let leads = |role: &Role| matches!(role, Role::Active | Role::NotActive | Role::Cuts);
        let play = Self {
            servers,
            handle,
            address,
            registry,
            authority,
            shutdown: Some(shutdown),
            running,
        };
        if roles.iter().any(leads) {
            play.leader_is_known().await;
        }
        play
    }

    pub(crate) async fn leader_is_known(&self) {
        let mut leader = self.handle.leader();
        let known = leader.wait_for(Option::is_some);
        drop(within(5, known).await.unwrap());
    }

    pub(crate) async fn stop(mut self) {
        drop(self.shutdown.take());
        within(15, &mut self.running).await.unwrap();
    }

    pub(crate) async fn tls(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        self.tls_over(tcp, protocols).await
    }

    pub(crate) async fn tls_over(
        &self,
        tcp: TcpStream,
        protocols: &[&str],
    ) -> TlsStream<TcpStream> {
        let connector = TlsConnector::from(self.authority.client(protocols));
        connector.connect(TlsName::try_from(NAME).unwrap(), tcp).await.unwrap()
    }

    /// All metrics, as they are scraped.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    /// A connection that speaks HTTP/1.1.
    pub(crate) async fn client(&self) -> Client {
        Client::over(self.tls(&["http/1.1"]).await).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &'static str) -> Seen {
        self.client().await.ask(method, path, body).await
    }

    /// A connection that speaks HTTP/2.
    pub(crate) async fn client_two(&self) -> http2::SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.tls(&["h2"]).await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

/// What a client saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) async fn of(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) struct Client {
    pub(crate) sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    pub(crate) async fn over(tls: TlsStream<TcpStream>) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &'static str) -> Seen {
        self.send(request(method, path, Bytes::from_static(body.as_bytes()))).await
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Seen {
        self.sender.ready().await.unwrap();
        Seen::of(within(20, self.sender.send_request(request)).await.unwrap()).await
    }
}

pub(crate) fn request(method: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", NAME);
    request.body(Full::new(body)).unwrap()
}

/// Waits for what must happen within so many seconds.
pub(crate) async fn within<F: Future>(seconds: u64, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(seconds), future).await.expect("in time")
}

/// Waits until something is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    within(10, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Runs all of them at once.
pub(crate) async fn all<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}
