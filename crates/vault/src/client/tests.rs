use std::path::Path;

use vaultyard_model::observed::State;
use vaultyard_model::port::server::{KeyKind, Server};

use super::*;
use crate::scripted::{Act, server};

const ACTIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"version\":\"2.7.2\"}";
const REFUSED: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-length: 28\r\n\r\n{\"errors\":[\"wrong\",\"twice\"]}";
const OPENS_ITSELF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 69\r\n\r\n\
    {\"keys_base64\":[],\"recovery_keys_base64\":[\"YQ==\"],\"root_token\":\"s.r\"}";
const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const PIECES: &str =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
const CUT_OFF: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let client = Client::unix(Path::new("/nonexistent/socket").to_owned());
    assert!(matches!(client.health().await, Err(CallError::Unreachable(_))));
    assert!(matches!(
        client.initialise(KeyKind::Unseal, 1, 1).await,
        Err(CallError::Unreachable(_))
    ));
}

#[tokio::test]
async fn an_answer_is_read_and_the_connection_reused() {
    let (_folder, client, serving) = server(vec![Act::Answer(ACTIVE), Act::Answer(ACTIVE)]).await;
    for _ in 0..2 {
        assert_eq!(client.health().await.unwrap().state, State::Active);
    }
    assert_eq!(serving.await.unwrap(), ["GET /v1/sys/health HTTP/1.1"; 2]);
}

#[tokio::test]
async fn a_refusal_brings_its_status_and_errors() {
    let (_folder, client, _serving) = server(vec![Act::Answer(REFUSED)]).await;
    let errors = vec!["wrong".to_owned(), "twice".to_owned()];
    let refused = CallError::Refused { status: 400, errors };
    assert_eq!(client.initialise(KeyKind::Unseal, 5, 3).await.err(), Some(refused));
}

#[tokio::test]
async fn a_request_without_a_whole_answer_may_have_been_done() {
    for act in [Act::Close, Act::HalfAnswer] {
        let (_folder, client, _serving) = server(vec![act]).await;
        let answer = client.initialise(KeyKind::Unseal, 5, 3).await;
        assert!(matches!(answer.err(), Some(CallError::NoAnswer(_))));
    }
}

#[tokio::test]
async fn a_200_without_keys_is_no_success() {
    let (_folder, client, _serving) = server(vec![Act::Answer(EMPTY)]).await;
    assert!(matches!(
        client.initialise(KeyKind::Unseal, 5, 3).await.err(),
        Some(CallError::Malformed(_))
    ));
}

#[tokio::test]
async fn keys_of_the_other_kind_are_not_taken_for_those_that_were_asked_for() {
    let script = vec![Act::Answer(OPENS_ITSELF), Act::Answer(OPENS_ITSELF)];
    let (_folder, client, _serving) = server(script).await;
    let keys = client.initialise(KeyKind::Recovery, 1, 1).await.unwrap();
    assert_eq!(keys.shares.len(), 1);
    let other = client.initialise(KeyKind::Unseal, 1, 1).await.err();
    assert!(matches!(other, Some(CallError::Malformed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_gives_no_answer_in_time() {
    let (_folder, client, serving) = server(vec![Act::Hang]).await;
    assert!(matches!(client.health().await, Err(CallError::NoAnswer(_))));
    serving.abort();
}

#[tokio::test]
async fn what_only_reads_is_asked_again_when_a_kept_connection_has_died() {
    let script = vec![Act::Answer(ACTIVE), Act::Close, Act::Answer(ACTIVE)];
    let (_folder, client, serving) = server(script).await;
    for _ in 0..2 {
        assert!(client.health().await.is_ok());
    }
    assert_eq!(serving.await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_may_change_something_is_never_asked_twice() {
    let script = vec![Act::Answer(ACTIVE), Act::Close, Act::Answer(ACTIVE)];
    let (_folder, client, serving) = server(script).await;
    assert!(client.health().await.is_ok());
    assert!(matches!(
        client.initialise(KeyKind::Unseal, 5, 3).await.err(),
        Some(CallError::NoAnswer(_))
    ));
    assert!(client.health().await.is_ok());
    let asked = serving.await.unwrap();
    assert_eq!(asked.iter().filter(|line| line.starts_with("PUT")).count(), 1);
}

/// What arrives of a snapshot that this server gives, and how that ends.
async fn snapshot(act: Act) -> (Vec<u8>, Result<(), CallError>) {
    let (_folder, client, _serving) = server(vec![act]).await;
    let token = Secret::from("s.token".to_owned());
    let (to, mut pieces) = mpsc::channel(9);
    let ended = client.with_token(&token).snapshot(to).await;
    let mut arrived = Vec::new();
    while let Some(piece) = pieces.recv().await {
        arrived.extend_from_slice(&piece);
    }
    (arrived, ended)
}

#[tokio::test]
async fn a_snapshot_is_handed_on_in_pieces_and_one_that_is_cut_off_is_an_error() {
    assert_eq!(snapshot(Act::Answer(PIECES)).await, (b"onetwo".to_vec(), Ok(())));
    let (arrived, ended) = snapshot(Act::Answer(CUT_OFF)).await;
    assert_eq!(arrived, b"one");
    assert!(matches!(ended, Err(CallError::NoAnswer(_))), "{ended:?}");
    let (arrived, ended) = snapshot(Act::Answer(REFUSED)).await;
    assert!(matches!(ended, Err(CallError::Refused { status: 400, .. })), "{ended:?}");
    assert!(arrived.is_empty());
}

#[tokio::test]
async fn a_snapshot_that_breaks_off_on_its_way_to_a_server_is_never_taken_for_a_whole_one() {
    let (_folder, client, serving) = server(vec![Act::Answer(EMPTY), Act::Hang]).await;
    let token = Secret::from("s.token".to_owned());
    for (piece, whole) in
        [(Ok(Bytes::from("one")), true), (Err(io::ErrorKind::Other.into()), false)]
    {
        let (to, pieces) = mpsc::channel(1);
        to.try_send(piece).unwrap();
        drop(to);
        let answer = client.with_token(&token).restore(pieces).await;
        assert_eq!(answer.is_ok(), whole, "{answer:?}");
    }
    serving.abort();
}
