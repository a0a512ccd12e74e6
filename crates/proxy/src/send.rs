//! Sends a request to the leader, as often as that is safe.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, header};
use tokio::time::Instant;
use vaultyard_model::cluster::Proxy as Limits;

use crate::body::{BodyError, RequestBody, Streamed};
use crate::end::End;
use crate::flight::{Landed, fly};
use crate::forward::Shared;
use crate::gate::{Lane, Permit, Pool};
use crate::replay::{Decision, Kind, Try, decide};
use crate::slots::Place;
use crate::socket::Line;
use crate::upstream::Failure;

/// Questions about the present state: an answer after half a minute is of no use to anybody, yet a
/// planned change of leader should not be seen by a monitor.
const STATE: [&str; 3] = ["/v1/sys/health", "/v1/sys/seal-status", "/v1/sys/leader"];
/// How long such a question waits for a leader.
const STATE_WITHIN: Duration = Duration::from_secs(2);

/// A request, as far as it decides whether and how often it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errand {
    kind: Kind,
    lane: Lane,
    until: Instant,
    place: Place,
    /// How often its connection broke.
    breaks: u32,
}

impl Errand {
    /// A request that begins to wait now.
    pub(crate) fn new(limits: &Limits, kind: Kind, client: IpAddr, path: &str) -> Self {
        let hold = match STATE.contains(&path) {
            true => limits.hold.min(STATE_WITHIN),
            false => limits.hold,
        };
        let login = path.contains("auth/") && path.contains("/login");
        let lane = Lane { client, login };
        Self { kind, lane, until: Instant::now() + hold, place: Place::Back, breaks: 0 }
    }

    fn pool(&self) -> Pool {
        match self.kind {
            Kind::Read | Kind::Write => Pool::Whole,
            Kind::Streamed => Pool::Streamed,
        }
    }
}

/// Sends a request that is at hand, until it has waited long enough.
pub(crate) async fn whole(
    shared: &Shared,
    mut errand: Errand,
    head: &Parts,
    body: Bytes,
) -> Result<Landed, End> {
    loop {
        let permit = pass(shared, errand).await?;
        let mut request = Request::new(RequestBody::from(body.clone()));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        match once(shared, errand, permit, request).await {
            ControlFlow::Break(landed) => return landed,
            ControlFlow::Continue(broke) => errand.breaks += u32::from(broke),
        }
        if Instant::now() >= errand.until {
            return Err(End::Refused);
        }
        errand.place = Place::Front;
    }
}

/// Sends a request whose body still comes from the client: once, unless the client hangs up while
/// it waits. Nobody reads the body meanwhile, who would see that otherwise.
pub(crate) async fn streamed(
    shared: &Shared,
    errand: Errand,
    head: Parts,
    body: Box<Streamed>,
    line: &Line,
) -> Result<Landed, End> {
    let permit = tokio::select! {
        biased;
        passed = pass(shared, errand) => passed?,
        () = line.hung_up() => return Err(End::Body(BodyError::Cut)),
    };
    let request = Request::from_parts(head, RequestBody::Streamed(body));
    match once(shared, errand, permit, request).await {
        ControlFlow::Break(landed) => landed,
        ControlFlow::Continue(_) => Err(End::Refused),
    }
}

/// Waits for a slot.
async fn pass(shared: &Shared, errand: Errand) -> Result<Permit, End> {
    let Errand { lane, place, until, .. } = errand;
    shared.field.gate.pass(errand.pool(), lane, place, until).await.map_err(End::Held)
}

/// Sends, and decides what the result means: an end, or one more try. The latter says whether the
/// connection broke.
async fn once(
    shared: &Shared,
    errand: Errand,
    permit: Permit,
    request: Request<RequestBody>,
) -> ControlFlow<Result<Landed, End>, bool> {
    let Errand { kind, lane, breaks, .. } = errand;
    let leader = permit.leader();
    let landed = fly(&shared.field, permit, kind, lane.client, request).await;
    let Some(attempt) = judge(&landed) else {
        return ControlFlow::Break(landed.map_err(End::from));
    };
    let broke = attempt == Try::Broken;
    if broke {
        shared.leadership.ask_now();
    }
    match decide(kind, attempt, breaks) {
        Decision::Replay(reason) => {
            shared.metrics.replayed(reason);
            if reason.deposes() {
                shared.leadership.refused(leader);
            }
            ControlFlow::Continue(broke)
        }
        Decision::Give(Some(_)) => {
            shared.leadership.refused(leader);
            ControlFlow::Break(Err(End::Refused))
        }
        Decision::Give(None) => ControlFlow::Break(landed.map_err(End::from)),
    }
}

/// What happened, in the words of [`decide`]; `None` when there is nothing to decide.
fn judge(landed: &Result<Landed, Failure>) -> Option<Try<'_>> {
    Some(match landed {
        Ok(Landed::Whole(parts, body)) => {
            let location = parts.headers.get(header::LOCATION);
            let elsewhere =
                location.is_some_and(|location| location.as_bytes().starts_with(b"http"));
            Try::Answered { status: parts.status, body, elsewhere }
        }
        Ok(Landed::Long(..)) | Err(Failure::Body(_) | Failure::Crowded) => return None,
        Err(Failure::NotSent) => Try::NotSent,
        Err(Failure::Broken) => Try::Broken,
        Err(Failure::Deposed) => Try::Deposed,
        Err(Failure::Silent) => Try::Silent,
    })
}
