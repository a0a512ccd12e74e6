//! Connections of clients, from TCP to HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Ending;
use crate::flight::Flying;
use crate::forward::{Origin, Shared};
use crate::proxy_protocol;
use crate::serve::{Protocols, Stage};
use crate::shares::Shares;
use crate::socket::Socket;

/// Connections at one time, unless it is said otherwise.
const CONNECTIONS: u64 = 16_384;
/// From TCP to TLS, the PROXY protocol included: as long as the server's own.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no file descriptor or memory for one more connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// How many connections there are, and whose.
type Connections = Arc<Mutex<Shares<IpAddr>>>;

/// Takes connections and serves them.
pub(crate) struct Acceptor {
    listener: TcpListener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    protocols: Arc<Protocols>,
    connections: Connections,
    stragglers: mpsc::Receiver<Flying>,
    tasks: JoinSet<()>,
}

impl Acceptor {
    /// Nothing is accepted yet.
    pub(crate) fn new(
        listener: TcpListener,
        tls: TlsAcceptor,
        shared: Arc<Shared>,
        stragglers: mpsc::Receiver<Flying>,
    ) -> Self {
        Self {
            listener,
            tls,
            shared,
            protocols: Arc::new(Protocols::new()),
            connections: Arc::new(Mutex::new(Shares::new(CONNECTIONS))),
            stragglers,
            tasks: JoinSet::new(),
        }
    }

    /// Sets how many connections there may be at one time.
    pub(crate) fn limit(&mut self, connections: u64) {
        self.connections = Arc::new(Mutex::new(Shares::new(connections)));
    }

    /// Serves until `shutdown`, then ends.
    pub(crate) async fn run(mut self, shutdown: impl Future<Output = ()>, ending: Ending) {
        let (tell, stage) = watch::channel(Stage::Serving);
        let shared = Arc::clone(&self.shared);
        let mut end = std::pin::pin!(async {
            shutdown.await;
            shared.leaving.store(true, Ordering::Relaxed);
            tell.send_replace(Stage::Leaving);
            tokio::time::sleep(ending.linger).await;
        });
        loop {
            tokio::select! {
                () = &mut end => break,
                accepted = self.listener.accept() => self.accept(accepted, &stage).await,
                Some(straggler) = self.stragglers.recv() => self.finish(straggler),
                Some(_) = self.tasks.join_next() => {}
            }
        }
        drop(self.listener);
        tell.send_replace(Stage::Closing);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(ending.grace, all).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections are cut off");
        }
        self.tasks.shutdown().await;
    }

    async fn accept(
        &mut self,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        stage: &watch::Receiver<Stage>,
    ) {
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "no connection could be accepted");
                tokio::time::sleep(NO_ROOM).await;
                return;
            }
        };
        let Some(place) = Place::take(&self.connections, &self.shared, peer.ip()) else {
            self.shared.metrics.connections_refused.inc();
            return;
        };
        let (tls, shared) = (self.tls.clone(), Arc::clone(&self.shared));
        let (protocols, stage) = (Arc::clone(&self.protocols), stage.clone());
        self.tasks.spawn(async move {
            let shaken = timeout(HANDSHAKE, shake(tcp, peer.ip(), &tls, &shared)).await;
            match shaken {
                Ok(Ok((tls, origin))) => protocols.serve(tls, shared, origin, stage).await,
                Ok(Err(_)) | Err(_) => {
                    shared.metrics.handshakes_failed.inc();
                }
            }
            drop(place);
        });
    }

    /// Sees a request to its end whose client went away.
    fn finish(&mut self, mut straggler: Flying) {
        self.tasks.spawn(async move {
            // Nobody wants the answer, only the slot back.
            let _ = straggler.answer().await;
        });
    }
}

/// Makes TLS of TCP and finds out who is there.
async fn shake(
    mut tcp: TcpStream,
    peer: IpAddr,
    tls: &TlsAcceptor,
    shared: &Shared,
) -> io::Result<(TlsStream<Socket>, Origin)> {
    tcp.set_nodelay(true)?;
    let mut origin = Origin::new(peer, &shared.limits);
    if shared.limits.proxy_protocol
        && origin.trusted
        && let Some(client) = proxy_protocol::read(&mut tcp).await?
    {
        origin = Origin::new(client, &shared.limits);
    }
    Ok((tls.accept(Socket::new(tcp)).await?, origin))
}

/// A connection's place; dropping it gives it back.
struct Place {
    connections: Connections,
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl Place {
    fn take(connections: &Connections, shared: &Arc<Shared>, peer: IpAddr) -> Option<Self> {
        if !connections.lock().unwrap_or_else(PoisonError::into_inner).take(peer, 1) {
            return None;
        }
        shared.metrics.connections.inc();
        Some(Self { connections: Arc::clone(connections), shared: Arc::clone(shared), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.metrics.connections.dec();
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.give_back(self.peer, 1);
    }
}
