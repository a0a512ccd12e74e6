//! How long a client may keep a connection without using it.
//!
//! hyper's own header timeout runs from the end of the last answer, so it cannot tell a client that
//! rests from one that sends its headers a byte a minute. [`Patient`] can, and costs a request no
//! timer: its clock is set anew only when it rings, or when headers come in pieces.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a connection may rest between requests: as long as the server's own.
pub(crate) const IDLE: Duration = Duration::from_secs(300);
/// From the first byte of a request's headers to the last: as long as the server's own.
pub(crate) const HEADERS: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(30);

/// What a connection is doing, shared by its input and output and its requests.
pub(crate) struct Activity {
    began: Instant,
    requests: AtomicU32,
    /// Microseconds from `began` to just after the end of the last request.
    rests_since: AtomicU64,
}

impl Activity {
    /// A connection that begins now.
    pub(crate) fn new() -> Arc<Self> {
        let (requests, rests_since) = (AtomicU32::new(0), AtomicU64::new(0));
        Arc::new(Self { began: Instant::now(), requests, rests_since })
    }

    /// A request has come in; it lasts until the value is dropped.
    pub(crate) fn serve(self: &Arc<Self>) -> Serving {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Serving(Arc::clone(self))
    }

    /// Since when no request is being served; `None` while one is.
    fn rests_since(&self) -> Option<Instant> {
        let rests = self.requests.load(Ordering::Relaxed) == 0;
        let since = Duration::from_micros(self.rests_since.load(Ordering::Relaxed));
        rests.then(|| self.began + since)
    }
}

/// A request that is being served.
pub(crate) struct Serving(Arc<Activity>);

impl Drop for Serving {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Rounded up, so that the bytes of this request count as earlier however fast it was.
        self.0.rests_since.store(now.saturating_add(1), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that ends with [`io::ErrorKind::TimedOut`] when its client is too slow.
pub(crate) struct Patient<T> {
    io: T,
    activity: Arc<Activity>,
    headers: Duration,
    /// When the first bytes after the last request came.
    bytes_since: Option<Instant>,
    clock: Pin<Box<Sleep>>,
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    /// `headers` is how long the headers of one request may take.
    pub(crate) fn new(io: T, activity: Arc<Activity>, headers: Duration) -> Self {
        let clock = Box::pin(sleep(IDLE));
        Self { io, activity, headers, bytes_since: None, clock, stall: None }
    }

    /// When patience ends; `None` while a request is served.
    fn deadline(&mut self) -> Option<Instant> {
        let rests_since = self.activity.rests_since()?;
        // Bytes that came before the last request ended were that request's.
        self.bytes_since = self.bytes_since.filter(|since| *since >= rests_since);
        Some(match self.bytes_since {
            Some(since) => since + self.headers,
            None => rests_since + IDLE,
        })
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.deadline() else { return Poll::Pending };
        if self.clock.deadline() > deadline {
            self.clock.as_mut().reset(deadline);
        }
        loop {
            ready!(self.clock.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.clock.as_mut().reset(deadline);
        }
    }

    /// Lets a write through, unless it has been pending for too long.
    fn poll_stall<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Ready(read) => {
                if this.activity.requests.load(Ordering::Relaxed) == 0 {
                    this.deadline();
                    this.bytes_since.get_or_insert_with(Instant::now);
                }
                Poll::Ready(read)
            }
            Poll::Pending => this.poll_patience(cx).map(Err),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.poll_stall(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.poll_stall(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.poll_stall(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.poll_stall(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn patient(size: usize) -> (Patient<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = duplex(size);
        (Patient::new(ours, Activity::new(), HEADERS), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_rest_for_five_minutes() {
        let (mut io, _client) = patient(64);
        let began = Instant::now();
        let ended = io.read_u8().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn headers_may_take_ten_seconds_from_their_first_byte() {
        let (mut io, mut client) = patient(64);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        let slow = async {
            loop {
                if client.write_u8(b'x').await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let reads = async { while io.read_u8().await.is_ok() {} };
        tokio::select! { () = slow => {}, () = reads => {} }
        assert_eq!(began.elapsed().as_secs(), HEADERS.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_served_nobody_is_hurried() {
        let (mut io, mut client) = patient(64);
        client.write_u8(b'x').await.unwrap();
        io.read_u8().await.unwrap();
        let serving = io.activity.serve();
        let waits = Duration::from_secs(3600);
        assert!(tokio::time::timeout(waits, io.read_u8()).await.is_err());
        drop(serving);
        let began = Instant::now();
        assert!(io.read_u8().await.is_err());
        assert_eq!(began.elapsed().as_secs(), IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_rest_after_a_request_of_no_time_at_all() {
        let (mut io, mut client) = patient(64);
        client.write_u8(b'x').await.unwrap();
        io.read_u8().await.unwrap();
        drop(io.activity.serve());
        let began = Instant::now();
        assert!(io.read_u8().await.is_err());
        assert_eq!(began.elapsed().as_secs(), IDLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut io, _client) = patient(4);
        let began = Instant::now();
        assert!(io.write_all(b"more than fits").await.is_err());
        assert_eq!(began.elapsed().as_secs(), STALL.as_secs());
    }
}
