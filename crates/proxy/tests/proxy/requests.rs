//! What becomes of a request and its answer when all is well.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use vaultyard_model::cluster::{Guarded, Network, Proxy as Limits};
use vaultyard_proxy::Ending;

use crate::play::{Client, Play, Seen, all, limits, request, until, within};
use crate::server::Role::{Active, Sealed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_server_gets_what_it_must_know_and_nothing_forged() {
    let play = Play::start(limits(), &[Active]).await;
    let mut asked = request("PUT", "/v1/a", Bytes::from_static(b"{}"));
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-client-cert", "forged"),
        ("x-vault-no-request-forwarding", "0"),
        ("x-vault-token", "token"),
        ("connection", "keep-alive, x-vault-token-not"),
    ] {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    let seen = play.client().await.send(asked).await;
    assert_eq!((seen.status, seen.text()), (200, "{}"));
    play.servers[0].seen(|seen| {
        assert_eq!(seen.headers["x-vault-no-request-forwarding"], "1");
        assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(seen.headers["x-vault-token"], "token");
        assert_eq!(seen.headers["content-length"], "2");
        assert!(!seen.headers.contains_key("x-forwarded-client-cert"));
        assert!(!seen.headers.contains_key("connection"));
    });
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is() {
    let trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let play = Play::start(Limits { trusted_proxies, ..limits() }, &[Active]).await;
    let mut asked = request("GET", "/v1/a", Bytes::new());
    asked.headers_mut().insert("x-forwarded-for", "6.6.6.6, 1.2.3.4".parse().unwrap());
    assert_eq!(play.client().await.send(asked).await.status, 200);
    play.servers[0].seen(|seen| assert_eq!(seen.headers["x-forwarded-for"], "1.2.3.4"));
}

#[tokio::test]
async fn the_proxy_protocol_says_who_the_client_is() {
    let trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    let limits = Limits { trusted_proxies, proxy_protocol: true, ..limits() };
    let play = Play::start(limits, &[Active]).await;
    let mut tcp = TcpStream::connect(play.address).await.unwrap();
    tcp.write_all(b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n").await.unwrap();
    let mut client = Client::over(play.tls_over(tcp, &[]).await).await;
    assert_eq!(client.ask("GET", "/v1/a", "").await.status, 200);
    play.servers[0].seen(|seen| assert_eq!(seen.headers["x-forwarded-for"], "1.2.3.4"));
}

#[tokio::test]
async fn guarded_operations_are_refused_unless_they_are_open() {
    let open = vec![Guarded::Metrics];
    let play = Play::start(Limits { open, ..limits() }, &[Active]).await;
    let mut client = play.client().await;
    for path in ["/v1/sys/seal", "/v1/ns/%73ys//seal", "/v1/sys/rotate", "/v1/sys/init"] {
        let seen = client.ask("PUT", path, "{}").await;
        assert_eq!(seen.status, 403, "{path}");
        assert!(seen.text().contains("errors"));
    }
    assert!(play.servers[0].seen(|seen| seen.writes.is_empty()));
    assert_eq!(client.ask("GET", "/v1/sys/metrics", "").await.status, 200);
    assert_eq!(client.ask("GET", "/v1/sys/init", "").await.status, 200);
}

#[tokio::test]
async fn answers_that_are_errors_of_the_request_are_given() {
    let play = Play::start(limits(), &[Active]).await;
    let seen = play.ask("PUT", "/v1/fails", "{}").await;
    assert_eq!((seen.status, seen.text()), (500, "internal error"));
    assert_eq!(play.servers[0].seen(|seen| seen.writes["/v1/fails"]), 1);
}

#[tokio::test]
async fn http_two_carries_many_requests_on_one_connection() {
    let play = Play::start(limits(), &[Active]).await;
    let client = play.client_two().await;
    let asked = (0..200).map(|_| {
        let mut client = client.clone();
        async move {
            client.ready().await.unwrap();
            let uri = format!("https://{}/v1/a", crate::play::NAME);
            let request = request("PUT", &uri, Bytes::from_static(b"{\"a\":1}"));
            let seen = Seen::of(client.send_request(request).await.unwrap()).await;
            (seen.status, seen.body.len())
        }
    });
    assert_eq!(within(20, all(asked)).await, vec![(200, 7); 200]);
    play.servers[0].seen(|seen| assert_eq!(seen.headers["host"], crate::play::NAME));
}

#[tokio::test]
async fn a_large_body_is_passed_on_and_one_that_is_too_large_is_refused() {
    let play = Play::start(limits(), &[Active]).await;
    let mut client = play.client().await;
    let three = Bytes::from(vec![b'x'; 3 << 20]);
    let seen = client.send(request("PUT", "/v1/a", three.clone())).await;
    assert_eq!((seen.status, seen.body.len()), (200, three.len()));
    let most = Bytes::from(vec![b'x'; 32 << 20]);
    let seen = client.send(request("PUT", "/v1/a", most)).await;
    assert_eq!((seen.status, play.servers[0].seen(|seen| seen.body)), (200, 32 << 20));
    let more = Bytes::from(vec![b'x'; 40 << 20]);
    let seen = client.send(request("PUT", "/v1/b", more)).await;
    assert_eq!(seen.status, 413);
    assert!(play.servers[0].seen(|seen| !seen.writes.contains_key("/v1/b")));
    assert_eq!(play.handle.counts().in_flight, 0);
}

#[tokio::test]
async fn a_client_that_reads_only_when_it_has_written_all_learns_that_it_was_too_large() {
    let play = Play::start(limits(), &[Active]).await;
    let mut tls = play.tls(&["http/1.1"]).await;
    let length = 40 << 20;
    let head = format!("PUT /v1/a HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    tls.write_all(head.as_bytes()).await.unwrap();
    within(20, tls.write_all(&vec![b'x'; length])).await.unwrap();
    let mut answer = [0; 12];
    within(5, tls.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_over_http_two_as_well() {
    let play = Play::start(limits(), &[Active]).await;
    let mut client = play.client_two().await;
    let uri = format!("https://{}/v1/a", crate::play::NAME);
    let mut asked = request("PUT", &uri, Bytes::from(vec![b'x'; 40 << 20]));
    asked.headers_mut().insert("content-length", (40 << 20).into());
    let seen = Seen::of(within(20, client.send_request(asked)).await.unwrap()).await;
    assert_eq!(seen.status, 413);
    assert!(seen.text().contains("32 MiB"));
}

#[tokio::test]
async fn the_redirect_to_the_web_page_is_given_as_it_is() {
    let play = Play::start(limits(), &[Active]).await;
    let seen = play.ask("GET", "/", "").await;
    assert_eq!((seen.status, seen.headers["location"].to_str().unwrap()), (307, "/ui/"));
    assert_eq!(play.ask("HEAD", "/v1/a", "").await.status, 200);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_counted_as_it_comes() {
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    let play = Play::start(limits(), &[Active]).await;
    for (pieces, status) in [(1, 200), (20, 200), (200, 413)] {
        let io = hyper_util::rt::TokioIo::new(play.tls(&[]).await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let piece = Bytes::from(vec![b'x'; 200_000]);
        let frames = (0..pieces).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone())));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let asked = http::Request::builder().method("PUT").uri("/v1/a").header("host", "x");
        let answer = within(20, sender.send_request(asked.body(body).unwrap())).await;
        match answer {
            Ok(answer) => assert_eq!(answer.status().as_u16(), status, "{pieces}"),
            // Cut off while it wrote: the answer may be lost, as with the server itself.
            Err(error) => assert_eq!(status, 413, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_long_answer_is_passed_on_without_a_slot() {
    let play = Play::start(limits(), &[Active]).await;
    let seen = play.ask("GET", "/v1/long", "").await;
    assert_eq!((seen.status, seen.body.len()), (200, 300_000));
    let mut client = play.client().await;
    let asked = request("GET", "/v1/sys/monitor", Bytes::new());
    let answer = within(5, client.sender.send_request(asked)).await.unwrap();
    let mut body = answer.into_body();
    for _ in 0..3 {
        let frame = within(5, body.frame()).await.unwrap().unwrap();
        assert!(frame.data_ref().unwrap().starts_with(b"a line"));
    }
    let counts = play.handle.counts();
    assert_eq!((counts.in_flight, counts.long_answers), (0, 1));
    drop((body, client));
    until(|| play.handle.counts().long_answers == 0).await;
}

#[tokio::test]
async fn the_proxy_says_how_it_is_itself() {
    let play = Play::start(limits(), &[crate::server::Role::Sealed]).await;
    let mut client = play.client().await;
    assert_eq!(client.ask("GET", "/-/healthy", "").await.status, 200);
    assert_eq!(client.ask("GET", "/-/ready", "").await.status, 503);
    play.servers[0].set(Active);
    play.leader_is_known().await;
    assert_eq!(client.ask("GET", "/-/ready", "").await.status, 200);
}

#[tokio::test]
async fn what_happened_is_counted() {
    let play = Play::start(limits(), &[Active]).await;
    let mut client = play.client().await;
    client.ask("GET", "/v1/a", "").await;
    client.ask("PUT", "/v1/sys/seal", "{}").await;
    let text = play.metrics();
    for line in [
        r#"proxy_requests_total{kind="read",outcome="answered"} 1"#,
        r#"proxy_requests_total{kind="write",outcome="refused"} 1"#,
        "proxy_leader_changes_total 1",
        "proxy_in_flight 0",
        "proxy_connections 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_end() {
    let play = Arc::new(Play::start(limits(), &[Active]).await);
    play.servers[0].set_pace(Duration::from_millis(300));
    let mut client = play.client().await;
    let asked = tokio::spawn(async move { client.ask("PUT", "/v1/a", "{}").await.status });
    until(|| play.servers[0].seen(|seen| seen.now) == 1).await;
    let play = Arc::into_inner(play).unwrap();
    within(5, play.stop()).await;
    assert_eq!(asked.await.unwrap(), 200);
}

/// A client whose connection rests may send at the very moment at which it is closed, so it is asked to
/// go before.
#[tokio::test]
async fn a_proxy_that_lingers_answers_what_comes_and_asks_to_come_by_another() {
    let ending = Ending { linger: Duration::from_secs(2), grace: Duration::from_secs(2) };
    let play = Play::start_with(limits(), &[Active], |proxy| proxy.with_ending(ending)).await;
    let (mut rests, mut two) = (play.client().await, play.client_two().await);
    let kept = rests.ask("GET", "/v1/a", "").await;
    assert_eq!((kept.status, kept.headers.get("connection")), (200, None));
    let address = play.address;
    let mut late = play.client().await;
    let stopping = tokio::spawn(play.stop());
    within(2, async {
        while late.ask("GET", "/v1/a", "").await.headers.get("connection").is_none() {}
    })
    .await;
    let last = rests.ask("GET", "/v1/a", "").await;
    assert_eq!((last.status, &last.headers["connection"]), (200, &"close".parse().unwrap()));
    // It has been told in its own protocol's way, and still gets its answer if it is under way.
    assert!(within(2, two.ready()).await.is_err(), "told to go away");
    assert!(TcpStream::connect(address).await.is_ok(), "new ones are still taken");
    within(5, stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_body_of_unknown_length_counts_while_it_waits() {
    let limits = Limits { max_held_bytes: 2 << 20, ..limits() };
    let play = Play::start(limits, &[Sealed]).await;
    let chunk = vec![b'x'; 5 << 18];
    let mut waiting = play.tls(&["http/1.1"]).await;
    let mut refused = play.tls(&["http/1.1"]).await;
    for tls in [&mut waiting, &mut refused] {
        let head = "PUT /v1/secret/data/a HTTP/1.1\r\nHost: vault.test\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        tls.write_all(head.as_bytes()).await.unwrap();
        tls.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        // The second one may be answered before all of it is written.
        tls.write_all(&chunk).await.ok();
        until(|| play.handle.counts().held == 1).await;
    }
    let mut answer = [0; 12];
    within(5, refused.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    drop(waiting);
    play.stop().await;
}
