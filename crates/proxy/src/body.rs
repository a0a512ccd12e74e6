//! Bodies of requests: small ones are taken whole, large ones are passed on while they arrive.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use crate::budget::{Budget, Counted};

/// The largest body that is taken whole, and so can be replayed, in bytes.
pub(crate) const WHOLE: u64 = 1 << 20;
/// The largest body that the server takes (its `max_request_size`), in bytes.
pub(crate) const LARGEST: u64 = 32 << 20;
/// How long a whole body may take: as long as the server's own.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
/// How long a large body may pause: shorter than the server's patience, since it costs a slot.
const PAUSE: Duration = Duration::from_secs(10);

/// Why a body is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// More than [`LARGEST`].
    #[error("the body is larger than 32 MiB")]
    TooLarge,
    /// It did not come in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The client went away, or broke the protocol.
    #[error("the body ended early")]
    Cut,
    /// Too many bytes of bodies are held already.
    #[error("too many requests with bodies are waiting")]
    NoRoom,
}

/// A body as it was taken from the client.
pub(crate) enum Taken {
    /// All of it, and the count of its bytes.
    Whole(Bytes, Counted),
    /// Larger than [`WHOLE`]: its beginning, and the rest to come.
    Large(Box<Streamed>),
}

/// Takes a body from the client. `Err` gives the unread body back, so that the answer can be sent
/// while the client still writes.
pub(crate) async fn take(
    mut body: Incoming,
    budget: &Arc<Budget>,
    client: IpAddr,
) -> Result<Taken, (BodyError, Incoming)> {
    let mut counted = budget.open(client);
    if body.is_end_stream() {
        return Ok(Taken::Whole(Bytes::new(), counted));
    }
    if body.size_hint().lower() > LARGEST {
        return Err((BodyError::TooLarge, body));
    }
    if body.size_hint().lower() > WHOLE {
        return Ok(Taken::Large(Streamed::new(None, body)));
    }
    let gathered = gather(&mut body, &mut counted);
    match tokio::time::timeout(WHOLE_WITHIN, gathered).await {
        Ok(Ok(Gathered::All(bytes))) => Ok(Taken::Whole(bytes, counted)),
        Ok(Ok(Gathered::Beginning(bytes))) => {
            Ok(Taken::Large(Streamed::new(Some((bytes, counted)), body)))
        }
        Ok(Err(error)) => Err((error, body)),
        Err(_) => Err((BodyError::TooSlow, body)),
    }
}

enum Gathered {
    All(Bytes),
    Beginning(Bytes),
}

/// Reads until the end, or until there is more than [`WHOLE`]. A body that arrives in one piece is
/// not copied.
async fn gather(body: &mut Incoming, counted: &mut Counted) -> Result<Gathered, BodyError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Cut)?.into_data() else { continue };
        if !counted.add(data.len()) {
            return Err(BodyError::NoRoom);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
        if (first.len() + all.len()) as u64 > WHOLE {
            return Ok(Gathered::Beginning(one(first, all)));
        }
    }
    Ok(Gathered::All(one(first, all)))
}

fn one(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
}

/// A large body on its way.
pub(crate) struct Streamed {
    /// What was read of it before its size was known; it counts until it is passed on.
    beginning: Option<(Bytes, Counted)>,
    rest: Incoming,
    passed: u64,
    /// Runs while nothing comes.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Streamed {
    fn new(beginning: Option<(Bytes, Counted)>, rest: Incoming) -> Box<Self> {
        Box::new(Self { beginning, rest, passed: 0, pause: None })
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let data = match self.beginning.take() {
            Some((beginning, _)) => beginning,
            None => loop {
                match Pin::new(&mut self.rest).poll_frame(cx) {
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(BodyError::Cut))),
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(data) = frame.into_data() {
                            break data;
                        }
                    }
                    Poll::Pending => {
                        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
                        ready!(pause.as_mut().poll(cx));
                        return Poll::Ready(Some(Err(BodyError::TooSlow)));
                    }
                }
            },
        };
        self.pause = None;
        self.passed += data.len() as u64;
        let fits = self.passed <= LARGEST;
        Poll::Ready(Some(if fits { Ok(data) } else { Err(BodyError::TooLarge) }))
    }
}

/// The body of a request to a server.
pub(crate) enum RequestBody {
    /// All there is.
    Whole(Option<Bytes>),
    /// Passed on.
    Streamed(Box<Streamed>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed(body) => body.poll_data(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Streamed(body) => body.beginning.is_none() && body.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Streamed(body) => {
                let beginning = body.beginning.as_ref().map_or(0, |(bytes, _)| bytes.len()) as u64;
                let exact = body.rest.size_hint().exact();
                exact.map_or_else(SizeHint::default, |rest| SizeHint::with_exact(beginning + rest))
            }
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}
