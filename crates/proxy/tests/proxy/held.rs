//! What waits is bounded in all its parts, and waits no longer than its client does.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};

use bytes::Bytes;
use futures_util::stream::{Pending, pending};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use vaultyard_model::cluster::Proxy as Limits;

use crate::play::{Client, NAME, Play, Seen, limits, request, until, within};
use crate::server::Role::{Active, Sealed};

/// How many fields [`many_fields`] has; each costs the proxy 256 bytes beside its text.
const FIELDS: usize = 440;
/// How many such heads fit into eight ninths of 64 MiB, which is what one client can have.
const FIT: usize = (64 << 20) / 9 * 8 / (FIELDS * 256);

/// A request that is small on the wire and large in memory.
fn many_fields<B>(body: B) -> Request<B> {
    let asked = Request::builder().method("PUT").uri(format!("https://{NAME}/v1/a"));
    let mut asked = asked.body(body).unwrap();
    for at in 0..FIELDS {
        let name = HeaderName::try_from(format!("x{at}")).unwrap();
        asked.headers_mut().insert(name, HeaderValue::from_static(""));
    }
    asked
}

/// A body of which nothing ever comes.
fn silence() -> StreamBody<Pending<Result<Frame<Bytes>, Infallible>>> {
    StreamBody::new(pending())
}

/// A client at an address of its own.
async fn client_at(play: &Play, address: Ipv4Addr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(address), 0)).unwrap();
    let tcp = socket.connect(play.address).await.unwrap();
    Client::over(play.tls_over(tcp, &["http/1.1"]).await).await
}

fn refused(play: &Play) -> usize {
    let name = r#"proxy_requests_total{kind="write",outcome="unavailable"} "#;
    let text = play.metrics();
    text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap()
}

#[tokio::test]
async fn heads_whose_bodies_do_not_come_are_bounded_in_total() {
    let play = Play::start(limits(), &[Active]).await;
    let asked = FIT + 60;
    let mut waiting = JoinSet::new();
    let mut connections = Vec::new();
    for at in 0..asked {
        if at % 100 == 0 {
            connections.push(two(&play).await);
        }
        let (sender, _) = connections.last_mut().unwrap();
        waiting.spawn(sender.send_request(many_fields(silence())));
    }
    until(|| refused(&play) >= asked - FIT).await;
    let answer = Seen::of(within(5, waiting.join_next()).await.unwrap().unwrap().unwrap()).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(answer.text(), r#"{"errors":["too many requests are waiting"]}"#);
    let mut other = client_at(&play, Ipv4Addr::new(127, 0, 0, 2)).await;
    assert_eq!(other.ask("PUT", "/v1/a", "{}").await.status, 200, "others have room");
    for (_, tcp) in connections {
        tcp.shutdown(Shutdown::Both).unwrap();
    }
    let (mut sender, _tcp) = two(&play).await;
    let passes = async {
        let asked = || many_fields(Full::new(Bytes::new()));
        // The server takes no heads like this, and says so.
        while sender.send_request(asked()).await.unwrap().status() != 431 {}
    };
    within(10, passes).await;
}

#[tokio::test]
async fn a_request_without_a_body_passes_when_bodies_have_no_room() {
    let limits = Limits { max_held_bytes: 1 << 20, ..limits() };
    let play = Play::start(limits, &[Active]).await;
    let body = |length: usize| request("PUT", "/v1/slow", vec![b'x'; length].into());
    let mut client = play.client().await;
    let taken = tokio::spawn(async move { client.send(body(930_000)).await });
    until(|| play.servers[0].seen(|seen| seen.now) == 1).await;
    let refused = play.client().await.send(body(10_000)).await;
    assert_eq!((refused.status, &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(play.ask("GET", "/v1/a", "").await.status, 200);
    taken.abort();
    let asked = || request("PUT", "/v1/a", vec![b'x'; 10_000].into());
    let passes = async { while play.client().await.send(asked()).await.status != 200 {} };
    within(10, passes).await;
}

/// A request whose body is too large to be taken before there is a leader.
async fn held_one(play: &Play, fields: &str, begun: usize) -> impl Sized + use<> {
    let mut tls = play.tls(&["http/1.1"]).await;
    let head = format!("PUT /v1/a HTTP/1.1\r\nhost: x\r\n{fields}content-length: 2097152\r\n\r\n");
    tls.write_all(head.as_bytes()).await.unwrap();
    tls.write_all(&vec![b'x'; begun]).await.unwrap();
    tls.flush().await.unwrap();
    is_held(play).await;
    tls
}

async fn is_held(play: &Play) {
    until(|| play.metrics().contains("proxy_held 1")).await;
}

async fn is_forgotten(play: &Play) {
    within(1, until(|| play.metrics().contains("proxy_held 0"))).await;
    assert_eq!(play.handle.counts().held, 0);
}

#[tokio::test]
async fn a_client_that_hangs_up_waits_no_longer() {
    let play = Play::start(limits(), &[Sealed]).await;
    for (fields, begun) in [("", 0), ("expect: 100-continue\r\n", 0), ("", 1), ("", 50_000)] {
        drop(held_one(&play, fields, begun).await);
        is_forgotten(&play).await;
    }
}

/// A connection that speaks HTTP/2, and what it takes to break it.
async fn two<B>(play: &Play) -> (SendRequest<B>, std::net::TcpStream)
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let tcp = std::net::TcpStream::connect(play.address).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let breaks = tcp.try_clone().unwrap();
    let tls = play.tls_over(TcpStream::from_std(tcp).unwrap(), &["h2"]).await;
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    (sender, breaks)
}

fn large() -> Request<Full<Bytes>> {
    let request = Request::builder().method("PUT").uri(format!("https://{NAME}/v1/a"));
    request.body(Full::new(vec![b'x'; 2 << 20].into())).unwrap()
}

#[tokio::test]
async fn a_client_that_resets_its_stream_waits_no_longer() {
    let play = Play::start(limits(), &[Sealed]).await;
    let (mut sender, _tcp) = two(&play).await;
    let asked = tokio::spawn(sender.send_request(large()));
    is_held(&play).await;
    asked.abort();
    is_forgotten(&play).await;
}

#[tokio::test]
async fn a_client_that_ends_its_connection_waits_no_longer() {
    let play = Play::start(limits(), &[Sealed]).await;
    let (mut sender, tcp) = two(&play).await;
    let _asked = tokio::spawn(sender.send_request(large()));
    is_held(&play).await;
    tcp.shutdown(Shutdown::Both).unwrap();
    is_forgotten(&play).await;
}
