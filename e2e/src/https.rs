//! A small HTTPS client that tells apart what a journal must: an answer, a request that was never
//! sent, and a request whose fate is unknown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest wait for an answer: longer than any proxy of the tests holds a request.
const ANSWER: Duration = Duration::from_secs(300);

/// The way in: address, trust and token. Has no `Debug`: it holds a token.
#[derive(Clone)]
pub struct Access {
    address: SocketAddr,
    name: ServerName<'static>,
    tls: TlsConnector,
    token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether it says when to try again.
    pub retry_after: bool,
    /// The body; `Null` when it is not JSON.
    pub body: Value,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing was sent: there was no connection.
    NotSent(String),
    /// It was sent, perhaps; whether it was carried out is unknown.
    Unknown(String),
}

impl Access {
    /// From the three lines: URL, path of the CA's PEM file, token.
    ///
    /// # Panics
    /// When they are something else.
    #[must_use]
    #[track_caller]
    pub fn new(lines: &[&str]) -> Self {
        let [url, ca, token] = lines else {
            panic!("expected URL, CA and token: {} lines", lines.len())
        };
        let address = url.strip_prefix("https://").unwrap_or_else(|| panic!("not https: {url}"));
        let address: SocketAddr = address.trim_end_matches('/').parse().unwrap();
        let ca = std::fs::read(ca).unwrap();
        Self::with(address, ServerName::from(address.ip()), &ca, token)
    }

    /// To an address whose certificate is for a name, believed by this CA (PEM).
    ///
    /// # Panics
    /// When name or CA are none.
    #[must_use]
    #[track_caller]
    pub fn named(address: SocketAddr, name: &str, ca: &[u8], token: &str) -> Self {
        Self::with(address, ServerName::try_from(name.to_owned()).unwrap(), ca, token)
    }

    fn with(address: SocketAddr, name: ServerName<'static>, ca: &[u8], token: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Self { address, name, tls, token: token.to_owned() }
    }

    /// Where requests go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whom requests are for: what shares an address with others tells them apart by it.
    fn host(&self) -> String {
        match &self.name {
            ServerName::DnsName(name) => name.as_ref().to_owned(),
            _ => self.address.to_string(),
        }
    }

    /// What requests carry, for programs that take it another way than this client.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// One connection, made anew when it is gone.
pub struct Client {
    access: Access,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Connects with the first request.
    #[must_use]
    pub fn new(access: &Access) -> Self {
        Self { access: access.clone(), open: None }
    }

    /// Sends `body` to `/v1/PATH` and waits for the answer.
    ///
    /// # Errors
    /// [`NoAnswer`]; the connection is given up then.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, NoAnswer> {
        let mut connection = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await.map_err(NoAnswer::NotSent)?,
        };
        let answer = timeout(ANSWER, exchange(&mut connection, self.request(method, path, body)));
        match answer.await {
            Ok(Ok(answer)) => {
                self.open = Some(connection);
                Ok(answer)
            }
            Ok(Err(error)) => Err(NoAnswer::Unknown(error.to_string())),
            Err(_) => Err(NoAnswer::Unknown(format!("no answer in {ANSWER:?}"))),
        }
    }

    fn request(&self, method: Method, path: &str, body: &Value) -> Request<Full<Bytes>> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Request::builder()
            .method(method)
            .uri(format!("/v1/{path}"))
            .header("host", self.access.host())
            .header("x-vault-token", &self.access.token)
            .body(Full::new(body))
            .unwrap()
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let opened = timeout(CONNECT, async {
            let tcp = TcpStream::connect(self.access.address).await?;
            tcp.set_nodelay(true)?;
            self.access.tls.connect(self.access.name.clone(), tcp).await
        });
        let tls = opened.await.map_err(|error| error.to_string())?.map_err(|e| e.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())?;
        // Ends with the sender; what goes wrong in it is seen by the request under way.
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn exchange(
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Answer> {
    connection.ready().await?;
    let (head, body) = connection.send_request(request).await.map(Response::into_parts)?;
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status: head.status.as_u16(),
        retry_after: head.headers.contains_key("retry-after"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}
