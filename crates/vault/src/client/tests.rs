use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use vaultyard_model::observed::State;
use vaultyard_model::port::server::Server;

use super::*;

/// What a scripted server does with one request.
#[derive(Clone, Copy)]
enum Act {
    /// Answers, and keeps the connection.
    Answer(&'static str),
    /// Closes the connection without an answer.
    Close,
    /// Begins an answer and closes the connection.
    HalfAnswer,
    /// Never answers.
    Hang,
}

const ACTIVE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"version\":\"2.7.2\"}";
const REFUSED: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-length: 28\r\n\r\n{\"errors\":[\"wrong\",\"twice\"]}";
const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// A server on a unix socket that follows a script, and tells what it was asked.
async fn server(script: Vec<Act>) -> (TempDir, Client, JoinHandle<Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = tokio::spawn(async move {
        let mut script = script.into_iter();
        let mut asked = Vec::new();
        'connections: while !script.as_slice().is_empty() {
            let (mut stream, _) = listener.accept().await.unwrap();
            loop {
                let Some(request) = read_request(&mut stream).await else { continue 'connections };
                asked.push(request);
                match script.next() {
                    Some(Act::Answer(text)) => stream.write_all(text.as_bytes()).await.unwrap(),
                    Some(Act::HalfAnswer) => {
                        stream.write_all(&ACTIVE.as_bytes()[..30]).await.unwrap();
                        continue 'connections;
                    }
                    Some(Act::Hang) => std::future::pending::<()>().await,
                    Some(Act::Close) | None => continue 'connections,
                }
                if script.as_slice().is_empty() {
                    break 'connections;
                }
            }
        }
        asked
    });
    let client = Client::unix(socket);
    (folder, client, serving)
}

/// The first line of the next request; reads its headers, and a body of one segment.
async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    while !bytes[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut bytes[length..]).await.ok().filter(|read| *read > 0)?;
        length += read;
    }
    String::from_utf8_lossy(&bytes[..length]).lines().next().map(str::to_owned)
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let client = Client::unix(Path::new("/nonexistent/socket").to_owned());
    assert!(matches!(client.health().await, Err(CallError::Unreachable(_))));
    assert!(matches!(client.initialise(1, 1).await, Err(CallError::Unreachable(_))));
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
    assert_eq!(client.initialise(5, 3).await.err(), Some(refused));
}

#[tokio::test]
async fn a_request_without_a_whole_answer_may_have_been_done() {
    for act in [Act::Close, Act::HalfAnswer] {
        let (_folder, client, _serving) = server(vec![act]).await;
        let answer = client.initialise(5, 3).await;
        assert!(matches!(answer.err(), Some(CallError::NoAnswer(_))));
    }
}

#[tokio::test]
async fn a_200_without_keys_is_no_success() {
    let (_folder, client, _serving) = server(vec![Act::Answer(EMPTY)]).await;
    assert!(matches!(client.initialise(5, 3).await.err(), Some(CallError::Malformed(_))));
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
    assert!(matches!(client.initialise(5, 3).await.err(), Some(CallError::NoAnswer(_))));
    assert!(client.health().await.is_ok());
    let asked = serving.await.unwrap();
    assert_eq!(asked.iter().filter(|line| line.starts_with("PUT")).count(), 1);
}
