//! A client's TCP connection, whose end is seen even while nobody reads from it.
//!
//! HTTP/1.1 reads no further while a request waits whose body is not wanted yet, and so does not
//! come to the end of a connection that its client has given up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A client's TCP connection.
pub(crate) struct Socket {
    input: OwnedReadHalf,
    output: Arc<OwnedWriteHalf>,
}

impl Socket {
    /// Takes a connection over.
    pub(crate) fn new(tcp: TcpStream) -> Self {
        let (input, output) = tcp.into_split();
        Self { input, output: Arc::new(output) }
    }

    /// Watches the connection while something else reads and writes.
    pub(crate) fn line(&self) -> Line {
        Line(Arc::clone(&self.output))
    }

    /// Writes as soon as there is room.
    fn poll_output(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&OwnedWriteHalf) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let tcp: &TcpStream = (*self.output).as_ref();
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match write(&self.output) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

/// Knows whether the client is still there.
#[derive(Clone)]
pub(crate) struct Line(Arc<OwnedWriteHalf>);

impl Line {
    /// Completes when the client has ended its half of the connection, or all of it. What it sent
    /// before and nobody has read does not matter, unless that is so much that the client's own
    /// system still keeps a part of it, and the end behind that.
    pub(crate) async fn hung_up(&self) {
        // Urgent data is never asked for, which leaves of this interest the end of the input. An
        // error means the same.
        let _ = self.0.ready(Interest::PRIORITY).await;
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_output(cx, |output| output.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_output(cx, |output| output.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The end is sent when the last holder of the output drops it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Socket::new(accepted.unwrap().0), client.unwrap())
    }

    #[tokio::test]
    async fn the_end_is_seen_behind_what_nobody_has_read() {
        let (mut socket, mut client) = pair().await;
        let line = socket.line();
        client.write_all(b"unread").await.unwrap();
        let mut watch = std::pin::pin!(line.hung_up());
        assert!(timeout(Duration::from_millis(20), watch.as_mut()).await.is_err());
        client.shutdown().await.unwrap();
        timeout(Duration::from_secs(5), watch).await.unwrap();
        let mut read = Vec::new();
        socket.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"unread");
    }

    #[tokio::test]
    async fn what_does_not_fit_at_once_is_written_later_and_the_end_follows() {
        let (mut socket, mut client) = pair().await;
        let sent = vec![7; 8 << 20];
        let writes = async {
            socket.write_all(&sent).await.unwrap();
            drop(socket);
        };
        let mut read = Vec::new();
        let ((), ended) = tokio::join!(writes, client.read_to_end(&mut read));
        ended.unwrap();
        assert!(read == sent);
    }
}
