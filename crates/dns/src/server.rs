//! The authoritative server: one UDP socket and one TCP listener on the same port.
//!
//! The port is never shared (no `SO_REUSEPORT`): a second server on it is an error, not half of
//! the answers.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::answer::{Transport, answer};
use crate::records::Records;
use crate::zone::Zone;

/// How many TCP connections are open at one time; others wait until one ends.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may take for its next request, or to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same while more than half of the connections are taken: those that do nothing make room.
const PATIENCE_WHEN_BUSY: Duration = Duration::from_millis(500);
/// More tasks than this do not take datagrams from one socket any faster.
const MAX_UDP_TASKS: usize = 4;
/// The pause after an error of a socket, so that one that persists does not burn a processor.
const PAUSE: Duration = Duration::from_millis(20);
/// Room for every request that is answered: EDNS of ours offers less.
const REQUEST_BYTES: usize = 4_096;

/// An address on which the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {transport} {address}")]
pub struct BindError {
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// A server that listens and does not answer yet.
pub struct Server {
    address: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
    zone: watch::Sender<Arc<Zone>>,
}

/// Changes what a running server answers.
#[derive(Debug, Clone)]
pub struct Handle(watch::Sender<Arc<Zone>>);

impl Handle {
    /// Answers from these records from now on; whether they differ from those before. Every answer
    /// is wholly from before or wholly from after.
    pub fn publish(&self, records: Records) -> bool {
        self.0.send_if_modified(|zone| match zone.changed(records) {
            Some(changed) => {
                *zone = Arc::new(changed);
                true
            }
            None => false,
        })
    }

    /// What is answered now.
    pub fn zone(&self) -> Arc<Zone> {
        Arc::clone(&self.0.borrow())
    }
}

impl Server {
    /// Listens on the address, UDP and TCP. `serial` is the zone's first serial number; the
    /// seconds since 1970 keep it growing over restarts.
    ///
    /// # Errors
    /// [`BindError`] when one of the two ports is in use or not allowed.
    pub async fn bind(
        address: SocketAddr,
        records: Records,
        serial: u32,
    ) -> Result<Self, BindError> {
        let failed = |transport, address| move |source| BindError { transport, address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed("TCP", address))?;
        // Port 0 stands for any free one: then UDP takes the one that TCP got.
        let address = tcp.local_addr().map_err(failed("TCP", address))?;
        let udp = UdpSocket::bind(address).await.map_err(failed("UDP", address))?;
        let (zone, _) = watch::channel(Arc::new(Zone::new(records, serial)));
        Ok(Self { address, udp, tcp, zone })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What changes its answers while it runs.
    pub fn handle(&self) -> Handle {
        Handle(self.zone.clone())
    }

    /// Answers until `shutdown` is done, then closes everything.
    ///
    /// # Errors
    /// [`JoinError`] when one of its tasks came to an end by itself, which is a fault of ours.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), JoinError> {
        let mut tasks = JoinSet::new();
        let udp = Arc::new(self.udp);
        let workers = available_parallelism().map_or(1, |count| count.get().min(MAX_UDP_TASKS));
        for _ in 0..workers {
            tasks.spawn(answer_datagrams(Arc::clone(&udp), self.zone.subscribe()));
        }
        tasks.spawn(answer_connections(self.tcp, self.zone.subscribe()));
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            ended = tasks.join_next() => ended.unwrap_or(Ok(())),
        };
        tasks.shutdown().await;
        ended
    }
}

async fn answer_datagrams(socket: Arc<UdpSocket>, zone: watch::Receiver<Arc<Zone>>) {
    let (mut request, mut reply) = (vec![0; REQUEST_BYTES], Vec::with_capacity(REQUEST_BYTES));
    loop {
        match socket.recv_from(&mut request).await {
            Ok((length, client)) => {
                let zone = Arc::clone(&zone.borrow());
                if client.port() == 0
                    || !answer(&zone, &request[..length], Transport::Udp, &mut reply)
                {
                    continue;
                }
                if let Err(error) = socket.send_to(&reply, client).await {
                    debug!(%client, %error, "an answer could not be sent");
                }
            }
            Err(error) => {
                debug!(%error, "no datagram could be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn answer_connections(listener: TcpListener, zone: watch::Receiver<Arc<Zone>>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed, so that this only waits.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, client)) => {
                let connection = Connection { room: Arc::clone(&room), zone: zone.clone() };
                connections.spawn(async move {
                    if let Err(error) = connection.serve(stream, permit).await {
                        debug!(%client, %error, "a connection ended");
                    }
                });
            }
            Err(error) => {
                debug!(%error, "no connection could be taken");
                sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

struct Connection {
    room: Arc<Semaphore>,
    zone: watch::Receiver<Arc<Zone>>,
}

impl Connection {
    /// Answers one request after the other, until the client ends it, is too slow, or says
    /// something that is no request.
    async fn serve(&self, stream: TcpStream, _permit: OwnedSemaphorePermit) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::with_capacity(REQUEST_BYTES, stream);
        let (mut request, mut reply, mut frame) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            timeout(self.patience(), read_message(&mut stream, &mut request)).await??;
            let zone = Arc::clone(&self.zone.borrow());
            if !answer(&zone, &request, Transport::Tcp, &mut reply) {
                return Ok(());
            }
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            frame.clear();
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&reply);
            timeout(self.patience(), stream.write_all(&frame)).await??;
        }
    }

    fn patience(&self) -> Duration {
        if self.room.available_permits() < MAX_CONNECTIONS / 2 {
            PATIENCE_WHEN_BUSY
        } else {
            PATIENCE
        }
    }
}

/// Reads one message: its length in two bytes, then itself (RFC 1035, section 4.2.2). One that is
/// larger than any request ends the connection.
async fn read_message(stream: &mut BufReader<TcpStream>, message: &mut Vec<u8>) -> io::Result<()> {
    let length = usize::from(stream.read_u16().await?);
    if length > REQUEST_BYTES {
        return Err(io::Error::other("the message is larger than any request"));
    }
    message.resize(length, 0);
    stream.read_exact(message).await?;
    Ok(())
}
