//! A client that asks one question at a time, with a deadline for each answer.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

pub(crate) fn shown(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

/// Sends bytes as a datagram and reads the answer to them.
pub(crate) async fn ask_udp(server: SocketAddr, request: &Message) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&request.to_bytes().unwrap(), server).await.unwrap();
    let mut reply = vec![0; 4_096];
    let received = timeout(DEADLINE, socket.recv(&mut reply)).await.unwrap().unwrap();
    Message::from_vec(&reply[..received]).unwrap()
}

/// A connection over which one question follows another.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(server: SocketAddr) -> Self {
        Self(timeout(DEADLINE, TcpStream::connect(server)).await.unwrap().unwrap())
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&length, message].concat()).await.unwrap();
    }

    /// The next answer; `None` when the server has ended the connection.
    pub(crate) async fn receive(&mut self) -> Option<Message> {
        let read = async {
            let length = self.0.read_u16().await?;
            let mut reply = vec![0; usize::from(length)];
            self.0.read_exact(&mut reply).await.map(|_| reply)
        };
        let reply = timeout(DEADLINE, read).await.expect("no answer in time");
        reply.ok().map(|reply| Message::from_vec(&reply).unwrap())
    }

    pub(crate) async fn ask(&mut self, request: &Message) -> Option<Message> {
        self.send(&request.to_bytes().unwrap()).await;
        self.receive().await
    }
}
