//! Which certificate a server really serves: only a handshake proves that it loaded a new one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ClientConfig, Resumption};
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::inspect::{Certificate, InspectError};

/// Why no certificate was seen.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Nothing took the connection.
    #[error("{address} does not take a connection")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The handshake failed; the source says whether the certificate was not trusted, was for
    /// another name, or was not valid at this time.
    #[error("the TLS handshake with {address} failed")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What rustls said.
        source: io::Error,
    },
    /// It took too long.
    #[error("{address} did not finish a TLS handshake within {}s", deadline.as_secs_f32())]
    Deadline {
        /// Where.
        address: SocketAddr,
        /// How long was waited.
        deadline: Duration,
    },
    /// The handshake succeeded, and what was shown cannot be read.
    #[error("the certificate of {address} {source}")]
    Certificate {
        /// Where.
        address: SocketAddr,
        /// What is wrong with it.
        source: InspectError,
    },
}

/// The leaf that the server at `address` serves for `name`, verified as `trust` says.
///
/// It is a whole handshake each time: a resumed session would show the certificate of the first.
///
/// # Errors
/// [`HandshakeError`], at the latest after `deadline`.
pub async fn served(
    address: SocketAddr,
    name: ServerName<'static>,
    trust: &ClientConfig,
    deadline: Duration,
) -> Result<Certificate, HandshakeError> {
    let mut trust = trust.clone();
    trust.resumption = Resumption::disabled();
    timeout(deadline, shake_hands(address, name, trust))
        .await
        .unwrap_or(Err(HandshakeError::Deadline { address, deadline }))
}

async fn shake_hands(
    address: SocketAddr,
    name: ServerName<'static>,
    trust: ClientConfig,
) -> Result<Certificate, HandshakeError> {
    let connected = TcpStream::connect(address).await;
    let connected = connected.map_err(|source| HandshakeError::Connect { address, source })?;
    let mut stream = TlsConnector::from(Arc::new(trust))
        .connect(name, connected)
        .await
        .map_err(|source| HandshakeError::Refused { address, source })?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let leaf = chain.first().map_or(&[][..], |leaf| leaf.as_ref());
    let certificate = Certificate::from_der(leaf)
        .map_err(|source| HandshakeError::Certificate { address, source })?;
    // A polite end, so that the server does not log a broken connection. What was asked is known.
    let _ = stream.shutdown().await;
    Ok(certificate)
}
