//! Servers for tests, that answer as they are told.

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::Client;

/// What a scripted server does with one request.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Answers, and keeps the connection.
    Answer(&'static str),
    /// Closes the connection without an answer.
    Close,
    /// Begins an answer and closes the connection.
    HalfAnswer,
    /// Never answers.
    Hang,
}

/// A server on a unix socket that follows a script, and tells what it was asked.
pub(crate) async fn server(script: Vec<Act>) -> (TempDir, Client, JoinHandle<Vec<String>>) {
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
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.unwrap();
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
pub(crate) async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut bytes = vec![0; 4096];
    let mut length = 0;
    while !bytes[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut bytes[length..]).await.ok().filter(|read| *read > 0)?;
        length += read;
    }
    String::from_utf8_lossy(&bytes[..length]).lines().next().map(str::to_owned)
}
