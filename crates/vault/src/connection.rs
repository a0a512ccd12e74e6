//! One HTTP/1.1 connection to a server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName as TlsName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use vaultyard_model::Address;

/// What a request carries: JSON as a whole, or a file piece by piece.
pub(crate) type Carried = UnsyncBoxBody<Bytes, io::Error>;

/// Where a server is, and how it is spoken to.
pub(crate) enum Way {
    Tls { address: Address, name: TlsName<'static>, config: Arc<ClientConfig> },
    Unix { socket: PathBuf },
}

impl Way {
    /// The value of the `Host` header.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Tls { address, .. } => address.to_string(),
            Self::Unix { .. } => "localhost".to_owned(),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        match self {
            Self::Tls { address, name, config } => {
                let stream =
                    TcpStream::connect(address.to_string()).await.map_err(ConnectError::Connect)?;
                stream.set_nodelay(true).map_err(ConnectError::Connect)?;
                let tls = TlsConnector::from(Arc::clone(config));
                let stream =
                    tls.connect(name.clone(), stream).await.map_err(ConnectError::Handshake)?;
                Connection::over(stream).await
            }
            Self::Unix { socket } => {
                let stream = UnixStream::connect(socket).await.map_err(ConnectError::Connect)?;
                Connection::over(stream).await
            }
        }
    }
}

/// Why there is no connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Connect(io::Error),
    #[error("TLS: {0}")]
    Handshake(io::Error),
    #[error("HTTP: {0}")]
    Http(hyper::Error),
}

/// An open connection. The task that drives it ends with it.
pub(crate) struct Connection {
    sender: SendRequest<Carried>,
    driver: JoinHandle<()>,
}

impl Connection {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, ConnectError> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(ConnectError::Http)?;
        // What ends a connection is seen by the request on it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    /// Whether the server has not closed it, as far as is known here.
    pub(crate) async fn is_usable(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Carried>,
    ) -> Result<Response<Incoming>, SendError> {
        self.sender.try_send_request(request).await.map_err(|mut failed| {
            match failed.take_message() {
                Some(_) => SendError::NotSent(failed.into_error()),
                None => SendError::Sent(failed.into_error()),
            }
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why a request has no answer.
pub(crate) enum SendError {
    /// Not a byte of it was written.
    NotSent(hyper::Error),
    /// It may have arrived.
    Sent(hyper::Error),
}
