use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use hickory_proto::serialize::binary::BinEncodable;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vaultyard_dns::{Facts, Handle, Records, Server};
use vaultyard_model::{ClusterName, DnsName, ServerName};

use crate::client::{Connection, DEADLINE, ask_udp, question, shown};

fn server(ordinal: u8) -> ServerName {
    ClusterName::new("vault").unwrap().server(ordinal)
}

fn led_by(ordinal: u8) -> Records {
    let at = |last: u8| SocketAddr::from(([127, 0, 0, last], 8200));
    let facts = Facts {
        zone: DnsName::new("vault.test").unwrap(),
        host: DnsName::new("vault.vault.test").unwrap(),
        dns: "127.0.0.10".parse().unwrap(),
        proxy: at(10),
        servers: (0..3).map(|n| (server(n), at(11 + n))).collect(),
        leader: Some(server(ordinal)),
        standbys: (0..3).filter(|n| *n != ordinal).map(server).collect(),
    };
    Records::new(&facts).unwrap()
}

/// A server on a free port, until it is dropped.
struct Running {
    address: SocketAddr,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let server = bind_any().await;
        let (address, handle) = (server.address(), server.handle());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or(()) };
            server.run(shutdown).await.unwrap();
        });
        Self { address, handle, stop: Some(stop), task }
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

/// A port that is free for TCP can be taken for UDP; then another one is tried.
async fn bind_any() -> Server {
    for _ in 0..20 {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        if let Ok(server) = Server::bind(any, led_by(0), 100).await {
            return server;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

#[tokio::test]
async fn udp_and_tcp_give_the_same_answer() {
    let running = Running::start().await;
    let ask = question("standby.vault.test.", RecordType::A);
    let datagram = ask_udp(running.address, &ask).await;
    let mut connection = Connection::open(running.address).await;
    assert_eq!(connection.ask(&ask).await.unwrap(), datagram);
    assert_eq!(shown(&datagram), ["127.0.0.12", "127.0.0.13"]);
    running.stop().await;
}

#[tokio::test]
async fn a_connection_takes_one_question_after_the_other_also_without_waiting() {
    let running = Running::start().await;
    let mut connection = Connection::open(running.address).await;
    let ask = question("active.vault.test.", RecordType::A).to_bytes().unwrap();
    for _ in 0..50 {
        connection.send(&ask).await;
    }
    for _ in 0..50 {
        assert_eq!(shown(&connection.receive().await.unwrap()), ["127.0.0.11"]);
    }
}

#[tokio::test]
async fn the_names_follow_the_leader_at_once_and_the_serial_grows() {
    let running = Running::start().await;
    let mut connection = Connection::open(running.address).await;
    let active = question("active.vault.test.", RecordType::A);
    for (leader, address) in [(0, "127.0.0.11"), (2, "127.0.0.13"), (1, "127.0.0.12")] {
        running.handle.publish(led_by(leader));
        assert_eq!(shown(&ask_udp(running.address, &active).await), [address]);
        assert_eq!(shown(&connection.ask(&active).await.unwrap()), [address]);
    }
    assert!(!running.handle.publish(led_by(1)));
    assert_eq!(running.handle.zone().serial(), 102);
    let soa = ask_udp(running.address, &question("vault.test.", RecordType::SOA)).await;
    assert!(shown(&soa)[0].contains(" 102 "), "{soa}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::bind(address, led_by(0), 1).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on UDP {address}"));
    let running = Running::start().await;
    let error = Server::bind(running.address, led_by(0), 1).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on TCP {}", running.address));
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection_and_nothing_else() {
    let running = Running::start().await;
    for rubbish in [&b"short"[..], &[0; 5_000]] {
        let mut connection = Connection::open(running.address).await;
        connection.send(rubbish).await;
        assert_eq!(connection.receive().await, None);
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for rubbish in [&b""[..], b"short", &[0xff; 600]] {
        socket.send_to(rubbish, running.address).await.unwrap();
    }
    let reply = ask_udp(running.address, &question("x.vault.test.", RecordType::A)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn connections_that_say_nothing_make_room_for_others() {
    let running = Running::start().await;
    let mut idle = Vec::new();
    // Some of these wait in the listener's queue until earlier ones are given up.
    for _ in 0..300 {
        idle.push(TcpStream::connect(running.address).await.unwrap());
    }
    let ask = question("active.vault.test.", RecordType::A);
    assert_eq!(shown(&ask_udp(running.address, &ask).await), ["127.0.0.11"]);
    let mut connection = Connection::open(running.address).await;
    assert_eq!(shown(&connection.ask(&ask).await.unwrap()), ["127.0.0.11"]);
    running.stop().await;
}

#[tokio::test]
async fn after_the_shutdown_its_port_is_free() {
    let running = Running::start().await;
    let address = running.address;
    let _connected = Connection::open(address).await;
    running.stop().await;
    let again = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
    assert!(again.unwrap().is_err());
    assert!(Server::bind(address, led_by(0), 1).await.is_ok());
}
