//! The leader-aware TLS reverse proxy: the one address of a cluster for its clients.
//!
//! It sends every request to the server that leads, holds requests while none does, sends once more
//! what is known not to have been carried out, and never has more requests at the leader than it
//! survives. It knows servers by address and health, and nothing of processes or Kubernetes.
//!
//! The way of a request: `accept` (connections, TLS) → `serve` (HTTP) → `forward` (its steps in
//! order) → `guard` (what is refused) → `headers` → `budget` (room for it) → `body` (taken whole, or
//! passed on) → `send` → `gate` (a slot at the leader, or a wait) → `flight` (one try, over
//! `upstream`) → `replay` (once more, or to the client). `leader` tells the gate who leads. Decisions
//! are pure and stand apart: `guard`, `headers`, `replay`, `shares`, `slots` and `leader::Board`.
//!
//! # Why hyper
//!
//! hyper with a small pool of our own was chosen over pingora and over hyper-util's client with
//! tower. Pingora brings a server with its own runtimes, signals and configuration, where this
//! proxy is a part of a process that has them; its rustls support is the younger of its TLS
//! libraries, and `OpenSSL` or `BoringSSL` beside rustls would be a second one in the program; what it
//! would save us (health checks, pools, retries) is what must be decided differently here: retries
//! by proof that nothing was done, one leader in place of a balanced set, and one cap for all.
//! hyper-util's pool costs a task and two switches for each request; here the request itself polls
//! its connection, and sees before it sends whether the connection died. Tower's layers would
//! hide the one thing that matters, which is the order of the steps.
//!
//! # Running it
//!
//! All tasks belong to [`Proxy::run`] and end with it (those of HTTP/2 streams, which hyper spawns,
//! end with their connection). Best give it a runtime of its own with one thread
//! (`new_current_thread`): no request then wakes another thread, which was measured to cost a
//! fifth less, and one core carries several times what a leader does.

mod accept;
mod activity;
mod answer;
mod body;
mod budget;
mod config;
mod end;
mod flight;
mod forward;
mod gate;
mod guard;
mod handle;
mod headers;
mod holds;
mod leader;
mod metrics;
mod proxy_protocol;
mod replay;
mod send;
mod serve;
mod shares;
mod slots;
mod socket;
mod upstream;
mod upstreams;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustls::server::ResolvesServerCert;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use vaultyard_model::ServerName;

pub use config::{Config, Server};
pub use gate::Counts;
pub use handle::{Drain, Excluded, Handle};
pub use holds::Waits;
pub use metrics::Metrics;

use accept::Acceptor;
use budget::Budget;
use flight::Field;
use forward::Shared;
use gate::Gate;
use leader::Leadership;
use upstreams::Upstreams;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1024;
/// How a proxy ends after it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// For how long it goes on with what comes, on new and old connections, and asks HTTP/1.1 clients
    /// with every answer to come by another one (`Connection: close`, RFC 9112, section 9.6). A
    /// connection that is closed while it rests can meet a request that is on its way already.
    pub linger: Duration,
    /// How long requests may then take to end.
    pub grace: Duration,
}

impl Default for Ending {
    /// At once, for a proxy that no other one takes over from.
    fn default() -> Self {
        Self { linger: Duration::ZERO, grace: Duration::from_secs(10) }
    }
}

/// Why a proxy cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is in use, foreign, or not allowed.
    #[error("the proxy cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A name that no certificate can have.
    #[error("{tls_name:?} is neither a DNS name nor an address, so {server} cannot be verified")]
    TlsName {
        /// The server.
        server: ServerName,
        /// Its name.
        tls_name: String,
    },
    /// TLS cannot be set up.
    #[error("TLS for clients cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// A proxy that listens and does not serve yet.
pub struct Proxy {
    address: SocketAddr,
    acceptor: Acceptor,
    shared: Arc<Shared>,
    ending: Ending,
}

impl Proxy {
    /// Listens. `certificate` is asked at every handshake with a client, so that a renewed one is
    /// used at once; `servers` says which certificates of servers are believed. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(
        config: Config,
        certificate: Arc<dyn ResolvesServerCert>,
        servers: &ClientConfig,
        metrics: Metrics,
    ) -> Result<Self, BindError> {
        let metrics = Arc::new(metrics);
        let room = config.room();
        let gate = Gate::new(room, Arc::clone(&metrics));
        let names = config.servers.iter().map(|server| server.name.clone()).collect();
        let leadership = Leadership::new(names, Arc::clone(&gate), Arc::clone(&metrics));
        let (hand_over, stragglers) = mpsc::channel((room.whole + room.streamed) as usize);
        let field = Field {
            upstreams: Upstreams::new(&config.servers, servers)?,
            gate,
            leaders: leadership.subscribe(),
            stragglers: hand_over,
        };
        let tls = public_tls(certificate).map_err(BindError::Tls)?;
        let failed = |source| BindError::Listen { address: config.listen, source };
        let listener = listen(config.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            heads: Budget::new(config.head_bytes()),
            bodies: Budget::new(config.held_bytes()),
            leaving: AtomicBool::new(false),
            limits: config.limits,
            leadership,
            field,
            metrics,
        });
        let acceptor =
            Acceptor::new(listener, TlsAcceptor::from(tls), Arc::clone(&shared), stragglers);
        Ok(Self { address, acceptor, shared, ending: Ending::default() })
    }

    /// Ends otherwise than by [`Ending::default`].
    #[must_use]
    pub fn with_ending(self, ending: Ending) -> Self {
        Self { ending, ..self }
    }

    /// Takes at most so many connections of clients at one time, instead of 16,384.
    ///
    /// Each takes a file descriptor and, while it rests, about 23 KiB of memory. The number must lie
    /// below the limit of open files by some 200, or else clients that do nothing can take the
    /// descriptors that connections to the servers need.
    #[must_use]
    pub fn with_connections(mut self, most: u64) -> Self {
        self.acceptor.limit(most);
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle, which stays valid while the proxy runs.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Serves until `shutdown` completes, ends as its [`Ending`] says, and returns.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { acceptor, shared, ending, .. } = self;
        let polls = leader::poll::all(&shared.leadership, &shared.field.upstreams);
        tokio::select! {
            () = acceptor.run(shutdown, ending) => {}
            () = polls => {}
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A proxy that starts again must not wait for the connections of its predecessor to be
    // forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn public_tls(
    certificate: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Sessions are kept by the clients, not here, where ten thousand of them would cost memory.
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    tls.send_tls13_tickets = 1;
    Ok(Arc::new(tls))
}
