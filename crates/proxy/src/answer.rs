//! Bodies of answers to clients.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::activity::Serving;
use crate::gate::{LongAnswer, Permit};
use crate::upstream::{Upstream, Wire};

/// How much of a refused body is still read, in bytes, and for how long.
///
/// A client that is cut off while it writes often never sees the answer; one that is let finish
/// does.
const LINGER_BYTES: u64 = 64 << 20;
const LINGER: Duration = Duration::from_secs(10);
/// A client that sends nothing for so long has seen the answer and waits for its end.
const LINGER_PAUSE: Duration = Duration::from_millis(300);

/// The body of an answer; the request counts as being served until it is dropped.
pub(crate) struct AnswerBody {
    content: Content,
    _serving: Option<Serving>,
}

enum Content {
    Whole(Option<Bytes>),
    Long(Box<Long>),
    Lingering(Box<Lingering>),
}

/// What a long answer holds.
pub(crate) enum Seat {
    /// One of the places for long answers.
    Own(#[expect(dead_code, reason = "held for its drop")] LongAnswer),
    /// Its request's slot, when there was no place for it.
    Slot(#[expect(dead_code, reason = "held for its drop")] Permit),
}

/// An answer that is passed on while it arrives.
pub(crate) struct Long {
    /// What came before it was known to be long; taken from the end.
    pub(crate) beginning: Vec<Bytes>,
    /// What is to come.
    pub(crate) rest: Incoming,
    /// The connection it comes on, until it has ended.
    pub(crate) wire: Option<Wire>,
    /// Whose connection that is.
    pub(crate) upstream: Arc<Upstream>,
    /// Held until the end.
    pub(crate) _seat: Seat,
}

impl Long {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        if let Some(bytes) = self.beginning.pop() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(wire) = &mut self.wire else { return Poll::Ready(None) };
        loop {
            match wire.poll_body(&mut self.rest, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => {
                    self.wire = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(None) => {
                    if let Some(wire) = self.wire.take() {
                        self.upstream.keep(wire);
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }
}

struct Lingering {
    text: Option<Bytes>,
    unread: Incoming,
    left: u64,
    ends: Instant,
    /// Rings after a pause, or at the end.
    clock: Pin<Box<Sleep>>,
}

impl Lingering {
    fn new(text: Option<Bytes>, unread: Incoming) -> Self {
        let clock = Box::pin(sleep(LINGER_PAUSE));
        Self { text, unread, left: LINGER_BYTES, ends: Instant::now() + LINGER, clock }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(text) = self.text.take() {
            return Poll::Ready(Some(text));
        }
        while self.clock.as_mut().poll(cx).is_pending() {
            let frame = match ready!(Pin::new(&mut self.unread).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) | None => break,
            };
            let read = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(left) = self.left.checked_sub(read) else { break };
            self.left = left;
            let pause = Instant::now() + LINGER_PAUSE;
            self.clock.as_mut().reset(pause.min(self.ends));
        }
        Poll::Ready(None)
    }
}

impl AnswerBody {
    /// All of it at once.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let content = Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()));
        Self { content, _serving: None }
    }

    /// Passed on.
    pub(crate) fn long(long: Long) -> Self {
        Self { content: Content::Long(Box::new(long)), _serving: None }
    }

    /// The same, and the request is served until the body is dropped.
    pub(crate) fn serving(self, serving: Serving) -> Self {
        Self { _serving: Some(serving), ..self }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Long(long) => long.poll_data(cx).map_ok(Frame::data),
            Content::Lingering(lingering) => {
                lingering.poll_data(cx).map(|text| text.map(|text| Ok(Frame::data(text))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Content::Long(_) | Content::Lingering(_) => SizeHint::default(),
        }
    }
}

/// An answer of the proxy's own, in the shape of the server's errors.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<AnswerBody> {
    let text = serde_json::json!({ "errors": [message] }).to_string();
    let mut response = Response::new(AnswerBody::whole(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Sends the answer at once and goes on reading the body that it refuses, for a while.
pub(crate) fn lingering(
    mut answer: Response<AnswerBody>,
    unread: Incoming,
) -> Response<AnswerBody> {
    if let Content::Whole(text) = &mut answer.body_mut().content {
        let lingering = Lingering::new(text.take(), unread);
        answer.body_mut().content = Content::Lingering(Box::new(lingering));
    }
    answer
}
