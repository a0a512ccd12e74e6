//! Clients that are many, slow, greedy or gone do no harm to others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::play::{NAME, Play, all, limits, request, until, within};
use crate::server::Role::Active;

#[tokio::test]
async fn no_more_requests_than_the_cap_are_ever_at_the_leader() {
    let play = Arc::new(Play::start(limits(), &[Active]).await);
    play.servers[0].set_pace(Duration::from_millis(5));
    let clients = (0..120).map(|_| {
        let play = Arc::clone(&play);
        async move {
            let mut client = play.client().await;
            for _ in 0..5 {
                assert_eq!(client.ask("PUT", "/v1/a", "{}").await.status, 200);
            }
        }
    });
    all(clients).await;
    let (most, writes) = play.servers[0].seen(|seen| (seen.most, seen.writes["/v1/a"]));
    assert_eq!(writes, 600);
    assert!((30..=36).contains(&most), "{most}");
}

#[tokio::test]
async fn forty_slow_logins_do_not_keep_others_out() {
    let play = Arc::new(Play::start(limits(), &[Active]).await);
    let logins: Vec<_> = (0..40)
        .map(|_| {
            let play = Arc::clone(&play);
            tokio::spawn(async move { play.ask("PUT", "/v1/auth/ldap/login/slow", "{}").await })
        })
        .collect();
    until(|| play.handle.counts().held == 8).await;
    assert_eq!(play.ask("GET", "/v1/secret/data/x", "").await.status, 200);
    logins.iter().for_each(|login| login.abort());
}

#[tokio::test]
async fn requests_whose_clients_went_away_keep_their_slots() {
    let play = Play::start(limits(), &[Active]).await;
    for _ in 0..50 {
        let mut client = play.client().await;
        let asked = client.sender.send_request(request("PUT", "/v1/slow", Bytes::new()));
        let _ = tokio::time::timeout(Duration::from_millis(5), asked).await;
    }
    until(|| play.servers[0].seen(|seen| seen.now) == 32).await;
    assert_eq!(play.handle.counts().in_flight, 32);
    assert!(play.servers[0].seen(|seen| seen.most) <= 36);
}

#[tokio::test]
async fn bodies_that_do_not_come_take_no_slot() {
    let play = Play::start(limits(), &[Active]).await;
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut tls = play.tls(&[]).await;
        let head = "PUT /v1/a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
        tls.write_all(head.as_bytes()).await.unwrap();
        slow.push(tls);
    }
    assert_eq!(play.ask("PUT", "/v1/b", "{}").await.status, 200);
    assert_eq!(play.handle.counts().in_flight, 0);
    assert_eq!(play.servers[0].seen(|seen| seen.most), 1);
}

#[tokio::test]
async fn long_answers_that_nobody_takes_hold_no_slot() {
    let play = Arc::new(Play::start(limits(), &[Active]).await);
    let asked = (0..70).map(|_| {
        let play = Arc::clone(&play);
        async move {
            let mut client = play.client().await;
            let asked = request("GET", "/v1/sys/monitor", Bytes::new());
            let answer = within(20, client.sender.send_request(asked)).await.unwrap();
            (client, answer)
        }
    });
    let answers = all(asked).await;
    let passed = answers.iter().filter(|(_, answer)| answer.status() == 200).count();
    assert_eq!(passed, 56, "of 64 places one client leaves an eighth");
    assert!(answers.iter().all(|(_, answer)| [200, 503].contains(&answer.status().as_u16())));
    assert_eq!(play.handle.counts().in_flight, 0);
    assert_eq!(play.ask("GET", "/v1/a", "").await.status, 200);
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_gone() {
    let play = Play::start(limits(), &[Active]).await;
    let mut tls = play.tls(&[]).await;
    tls.write_all(b"GET /v1/a HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    tls.shutdown().await.unwrap();
    let mut rest = Vec::new();
    // Either way of ending is the end.
    let _ = within(5, tls.read_to_end(&mut rest)).await;
    assert_eq!(play.handle.counts().in_flight, 0);
}

#[tokio::test]
async fn heads_have_a_largest_size() {
    let play = Play::start(limits(), &[Active]).await;
    let mut tls = play.tls(&[]).await;
    let head = format!("GET /v1/a HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(200_000));
    let _ = tls.write_all(head.as_bytes()).await;
    let mut answer = [0; 12];
    within(5, tls.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
    let mut client = play.client_two().await;
    for (length, status) in [(15_000, 200), (20_000, 431)] {
        let mut asked = request("GET", &format!("https://{NAME}/v1/a"), Bytes::new());
        asked.headers_mut().insert("x-long", "x".repeat(length).parse().unwrap());
        let answer = within(5, client.send_request(asked)).await.unwrap();
        assert_eq!(answer.status(), status, "{length}");
    }
}

#[tokio::test]
async fn one_client_cannot_have_all_connections() {
    let play = Play::start_with(limits(), &[Active], |proxy| proxy.with_connections(9)).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(play.tls(&[]).await);
    }
    let mut ninth = TcpStream::connect(play.address).await.unwrap();
    assert_eq!(within(5, ninth.read(&mut [0])).await.unwrap(), 0);
    drop(idle.pop());
    // The place is free as soon as the proxy has seen the end of the connection.
    until(|| play.metrics().contains("proxy_connections 7")).await;
    assert_eq!(play.ask("GET", "/v1/a", "").await.status, 200);
}

#[tokio::test]
async fn thousands_of_idle_connections_do_not_matter() {
    let play = Play::start(limits(), &[Active]).await;
    let mut idle = Vec::new();
    for at in 0..3000 {
        match at % 3 {
            0 => idle.push((Some(TcpStream::connect(play.address).await.unwrap()), None)),
            _ => idle.push((None, Some(play.tls(&[]).await))),
        }
    }
    let mut client = play.client().await;
    for _ in 0..20 {
        assert_eq!(client.ask("PUT", "/v1/a", "{}").await.status, 200);
    }
}
