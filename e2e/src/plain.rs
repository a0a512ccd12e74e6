//! Plain HTTP, one request a connection, to services that tests start.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Head and body of an answer that is a success; `head` is the first line and what belongs to it.
#[track_caller]
pub(crate) fn ask(host: &str, head: &str, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let rest = format!("host: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[format!("{head}{rest}").as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a whole answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    assert!(head.starts_with("HTTP/1.1 20"), "{head}\n{body}");
    (head.to_owned(), body.to_owned())
}
