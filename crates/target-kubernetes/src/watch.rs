//! One object, as it is and whenever it changes.
//!
//! While nothing changes there is one request an hour: the API server ends a watch when it was told
//! to, and its bookmarks keep the place from which the next one goes on.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::stream::{self, Stream};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use vaultyard_model::chain;

use crate::backoff::Backoff;
use crate::client::{Api, Call};
use crate::error::{ApiError, Reason};
use crate::object::{query, version};
use crate::reference::Reference;

/// After so many seconds the API server ends a watch, and the next one begins.
const LASTS: &str = "3600";
/// Bookmarks come about every minute. When nothing at all comes for so long, the connection is dead,
/// though nobody may have said so.
const SILENCE: Duration = Duration::from_secs(180);
/// A watch that ends sooner, without having brought anything, counts as a failure.
const SHORT: Duration = Duration::from_secs(10);

/// The object's state now and after each change; `None` while there is none. States may be passed
/// over, but the last one never is. An error is told once each time that it occurs, and the watch goes
/// on by itself: the stream never ends.
///
/// Needs the rights to list and watch the object by its name.
pub fn watch(
    api: Api,
    object: Reference,
) -> impl Stream<Item = Result<Option<Value>, ApiError>> + Send {
    let watcher =
        Watcher { api, object, place: None, events: None, backoff: Backoff::default(), wait: None };
    stream::unfold(watcher, |mut watcher| async {
        let item = watcher.next().await;
        Some((item, watcher))
    })
}

struct Watcher {
    api: Api,
    object: Reference,
    place: Option<Place>,
    events: Option<Events>,
    backoff: Backoff,
    wait: Option<Duration>,
}

/// From where the next watch goes on.
struct Place {
    /// The version of the collection.
    version: String,
    /// The version of the object that was given out last.
    given: Option<String>,
    /// Whether the collection has to be listed again; what was given out is still known then.
    lost: bool,
}

/// What one event means.
#[derive(Debug, PartialEq)]
enum Step {
    /// Nothing to tell.
    Nothing,
    /// The object is this now.
    Now(Option<Value>),
    /// The watch has failed.
    Failed(ApiError),
}

impl Watcher {
    async fn next(&mut self) -> Result<Option<Value>, ApiError> {
        loop {
            if let Some(wait) = self.wait.take() {
                sleep(wait).await;
            }
            match self.step().await {
                Ok(Step::Nothing) => {}
                Ok(Step::Now(state)) => return Ok(state),
                Ok(Step::Failed(error)) | Err(error) => {
                    self.events = None;
                    // The place may be what is wrong: an API server that was put back to an older
                    // state knows of no such version.
                    if let Some(place) = &mut self.place {
                        place.lost = true;
                    }
                    self.wait = Some(self.backoff.after(Some(&error)));
                    return Err(error);
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Step, ApiError> {
        let Some(place) = self.place.as_mut().filter(|place| !place.lost) else {
            return self.list().await;
        };
        let Some(events) = &mut self.events else {
            let call = call("watch", &self.object, Some(&place.version));
            let body = match self.api.stream(call).await {
                Err(ApiError { reason: Reason::Expired, .. }) => {
                    place.lost = true;
                    return Ok(Step::Nothing);
                }
                other => other?,
            };
            self.events = Some(Events { body, read: BytesMut::new(), since: Instant::now() });
            return Ok(Step::Nothing);
        };
        let failed = |error| self.api.unreachable(&format!("watch {}", self.object), error);
        match timeout(SILENCE, events.next()).await {
            Err(_) => Err(failed(format!("nothing came for {} s", SILENCE.as_secs()))),
            Ok(Err(error)) => Err(failed(error)),
            Ok(Ok(Some(event))) => {
                self.backoff.reset();
                let step = place.take(&self.object, event);
                if place.lost {
                    self.events = None;
                }
                Ok(step)
            }
            Ok(Ok(None)) => {
                if events.since.elapsed() < SHORT {
                    self.wait = Some(self.backoff.after(None));
                }
                self.events = None;
                Ok(Step::Nothing)
            }
        }
    }

    async fn list(&mut self) -> Result<Step, ApiError> {
        let mut list = self.api.call(call("list", &self.object, None)).await?.body;
        let now = match list["items"].get_mut(0).map(Value::take) {
            None => None,
            // Items of lists do not name their version and kind.
            Some(mut item) => {
                let kind = self.object.kind();
                item["apiVersion"] = kind.api_version.into();
                item["kind"] = kind.kind.into();
                Some(item)
            }
        };
        let found = now.as_ref().and_then(version).map(str::to_owned);
        let version = version(&list).unwrap_or("0").to_owned();
        let before = self.place.replace(Place { version, given: found.clone(), lost: false });
        match before {
            Some(before) if before.given == found => Ok(Step::Nothing),
            _ => Ok(Step::Now(now)),
        }
    }
}

impl Place {
    fn take(&mut self, object: &Reference, mut event: Value) -> Step {
        let mut state = event["object"].take();
        let kind = event["type"].as_str().unwrap_or_default();
        if kind == "ERROR" {
            return self.failed(object, &state);
        }
        if let Some(version) = version(&state) {
            self.version = version.to_owned();
        }
        match kind {
            "ADDED" | "MODIFIED" if self.given.as_deref() == version(&state) => Step::Nothing,
            "ADDED" | "MODIFIED" => {
                self.given = version(&state).map(str::to_owned);
                Step::Now(Some(state.take()))
            }
            "DELETED" => {
                self.given = None;
                Step::Now(None)
            }
            _ => Step::Nothing,
        }
    }

    /// When the server has forgotten the place, the object is listed again; so much is no failure.
    fn failed(&mut self, object: &Reference, status: &Value) -> Step {
        let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        let code = code.and_then(|code| StatusCode::from_u16(code).ok());
        let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let act = format!("watch {object}");
        let error = ApiError::from_answer(act, object.kind().kind.to_owned(), code, None, status);
        self.lost = true;
        match error.reason {
            Reason::Expired => Step::Nothing,
            _ => Step::Failed(error),
        }
    }
}

fn call(verb: &str, object: &Reference, since: Option<&str>) -> Call<'static> {
    let name = format!("metadata.name={}", object.name());
    let mut narrowed = vec![("fieldSelector", name.as_str())];
    if let Some(since) = since {
        let watch = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", LASTS),
            ("resourceVersion", since),
        ];
        narrowed.extend(watch);
    }
    let kind = object.kind();
    Call {
        act: format!("{verb} {object}"),
        kind: format!("{} {}", kind.api_version, kind.kind),
        method: Method::GET,
        path: format!("{}{}", object.collection(), query(&narrowed)),
        body: None,
    }
}

/// The events of one watch, a line each.
struct Events {
    body: Body,
    read: BytesMut,
    since: Instant,
}

impl Events {
    /// The next event; `None` when the watch has ended.
    async fn next(&mut self) -> Result<Option<Value>, String> {
        loop {
            if let Some(event) = line(&mut self.read)? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(chain(&error)),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.read.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

/// Takes one whole line off the front.
fn line(read: &mut BytesMut) -> Result<Option<Value>, String> {
    let Some(end) = read.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = read.split_to(end);
    read.advance(1);
    let event = serde_json::from_slice(&line);
    event.map(Some).map_err(|_| "an event is not JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::SECRET;

    fn place() -> Place {
        Place { version: "10".to_owned(), given: Some("7".to_owned()), lost: false }
    }

    fn object() -> Reference {
        Reference::within(SECRET, "n", "a")
    }

    fn event(kind: &str, version: &str) -> Value {
        json!({"type": kind, "object": {"metadata": {"resourceVersion": version}}})
    }

    #[test]
    fn changes_are_told_and_bookmarks_only_move_the_place() {
        let mut place = place();
        assert_eq!(place.take(&object(), event("BOOKMARK", "20")), Step::Nothing);
        assert_eq!((place.version.as_str(), place.given.as_deref()), ("20", Some("7")));
        let Step::Now(Some(state)) = place.take(&object(), event("MODIFIED", "21")) else {
            panic!()
        };
        assert_eq!(version(&state), Some("21"));
        assert_eq!(place.take(&object(), event("MODIFIED", "21")), Step::Nothing);
        assert_eq!(place.take(&object(), event("DELETED", "22")), Step::Now(None));
        assert_eq!((place.version.as_str(), place.given), ("22", None));
    }

    #[test]
    fn a_forgotten_place_is_listed_again_without_an_error() {
        let mut place = place();
        let gone = json!({"type": "ERROR", "object": {"code": 410, "message": "too old"}});
        assert_eq!(place.take(&object(), gone), Step::Nothing);
        assert!(place.lost);
    }

    #[test]
    fn another_failure_of_a_watch_is_told() {
        let mut place = place();
        let wrong = json!({"type": "ERROR", "object": {"code": 500, "message": "etcd is away"}});
        let Step::Failed(error) = place.take(&object(), wrong) else { panic!() };
        assert!(error.to_string().contains("etcd is away"), "{error}");
    }

    #[test]
    fn events_are_lines_however_they_are_cut() {
        let mut read = BytesMut::from("{\"a\":1}\n{\"b\"");
        assert_eq!(line(&mut read), Ok(Some(json!({"a": 1}))));
        assert_eq!(line(&mut read), Ok(None));
        read.extend_from_slice(b":2}\n");
        assert_eq!(line(&mut read), Ok(Some(json!({"b": 2}))));
        read.extend_from_slice(b"x\n");
        assert!(line(&mut read).is_err());
    }
}
