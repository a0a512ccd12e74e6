//! One try of a request at the leader, from its slot to its answer.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::answer::{Long, Seat};
use crate::body::RequestBody;
use crate::gate::{Gate, Permit};
use crate::leader::Leader;
use crate::replay::Kind;
use crate::upstream::{Failure, Reply, Wire};
use crate::upstreams::Upstreams;

/// Answers that come within this time cost no look at the leader meanwhile.
const SOON: Duration = Duration::from_millis(500);
/// The longest wait for an answer. The server itself gives up after 90 s.
const ANSWER: Duration = Duration::from_secs(95);
/// How long a write waits for a leader that was deposed: it may still say what became of it.
const LAST_WORD: Duration = Duration::from_secs(2);
/// The longest answer that is taken whole, in bytes.
const SHORT: u64 = 32 << 10;
/// How long the rest of an answer may take whose length is not known, before it counts as long.
const REST: Duration = Duration::from_millis(20);
/// How long the rest of a short answer may take.
const SHORT_WITHIN: Duration = Duration::from_secs(10);

/// What a flight needs of the proxy.
pub(crate) struct Field {
    /// All servers.
    pub(crate) upstreams: Upstreams,
    /// Where slots come from.
    pub(crate) gate: Arc<Gate>,
    /// Who leads.
    pub(crate) leaders: watch::Receiver<Option<Leader>>,
    /// Takes requests over whose clients went away.
    pub(crate) stragglers: mpsc::Sender<Flying>,
}

/// An answer.
pub(crate) enum Landed {
    /// All of it.
    Whole(Parts, Bytes),
    /// Its head, and a body to be passed on.
    Long(Parts, Long),
}

/// Sends `request` to the leader that `permit` names, and takes the answer.
pub(crate) async fn fly(
    field: &Field,
    permit: Permit,
    kind: Kind,
    client: IpAddr,
    request: Request<RequestBody>,
) -> Result<Landed, Failure> {
    let server = permit.leader().server;
    let upstream = field.upstreams.get(server).ok_or(Failure::NotSent)?;
    let mut wire = upstream.wire().await.map_err(|error| {
        tracing::debug!(server, %error, "no connection to the leader");
        Failure::NotSent
    })?;
    let reply = wire.send(request);
    let flying = Flying { permit, kind, leaders: field.leaders.clone(), wire, reply };
    let mut flight = Flight { flying: Some(flying), stragglers: &field.stragglers };
    let (response, permit, wire) = flight.land().await?;
    let (parts, mut body) = response.into_parts();
    let mut landing = Landing { wire, pieces: Vec::new() };
    if landing.is_short(&mut body).await? {
        upstream.keep(landing.wire);
        return Ok(Landed::Whole(parts, one(landing.pieces)));
    }
    let seat = match field.gate.long_answer(client) {
        Some(place) => Seat::Own(place),
        // Clients that take no bytes can hold places for ever, but not slots: who writes has a
        // token, and an answer that tells of a write must not be lost.
        None if kind == Kind::Read => return Err(Failure::Crowded),
        None => Seat::Slot(permit),
    };
    landing.pieces.reverse();
    let Landing { wire, pieces } = landing;
    let long = Long { beginning: pieces, rest: body, wire: Some(wire), upstream, _seat: seat };
    Ok(Landed::Long(parts, long))
}

/// A request on its way to a server or at it.
pub(crate) struct Flying {
    permit: Permit,
    kind: Kind,
    leaders: watch::Receiver<Option<Leader>>,
    wire: Wire,
    reply: Reply,
}

impl Flying {
    /// Waits for the head of the answer; whoever waits for nothing else gives the slot back then.
    pub(crate) async fn answer(&mut self) -> Result<Response<Incoming>, Failure> {
        let Self { permit, kind, leaders, wire, reply } = self;
        let mut reply = poll_fn(|cx| wire.poll_reply(reply, cx));
        if let Ok(answer) = timeout(SOON, &mut reply).await {
            return answer;
        }
        let mine = permit.leader();
        let deposed = async {
            let other = |leader: &Option<Leader>| leader.is_some_and(|l| l.server != mine.server);
            if leaders.wait_for(other).await.is_err() {
                std::future::pending::<()>().await;
            }
            if *kind != Kind::Read {
                sleep(LAST_WORD).await;
            }
        };
        tokio::select! {
            answer = &mut reply => answer,
            () = deposed => Err(Failure::Deposed),
            () = sleep(ANSWER) => Err(Failure::Silent),
        }
    }
}

/// Sees to it that a request whose client went away keeps its slot until the server is done with
/// it. Without that, clients that give up soon and come back would have more requests at the
/// leader than it survives (more than about 60 can dead-lock its KV store).
struct Flight<'a> {
    flying: Option<Flying>,
    stragglers: &'a mpsc::Sender<Flying>,
}

impl Flight<'_> {
    async fn land(&mut self) -> Result<(Response<Incoming>, Permit, Wire), Failure> {
        let Some(flying) = &mut self.flying else { return Err(Failure::NotSent) };
        let answer = flying.answer().await;
        let Some(flying) = self.flying.take() else { return Err(Failure::NotSent) };
        answer.map(|response| (response, flying.permit, flying.wire))
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // A body that its client no longer sends ends the request at the server too.
        if let Some(flying) = self.flying.take()
            && flying.kind != Kind::Streamed
        {
            // There is room for as many as there are slots; without it, the connection is closed.
            drop(self.stragglers.try_send(flying));
        }
    }
}

/// An answer whose body is coming.
struct Landing {
    wire: Wire,
    pieces: Vec<Bytes>,
}

impl Landing {
    /// Takes a short body whole, and the beginning of a long one.
    ///
    /// The slot and connection of a short answer are free before the client reads a byte of it, and
    /// a read whose answer breaks off can be replayed.
    async fn is_short(&mut self, body: &mut Incoming) -> Result<bool, Failure> {
        let length = body.size_hint().exact();
        if length.is_some_and(|length| length > SHORT) {
            return Ok(false);
        }
        let patience = if length.is_some() { SHORT_WITHIN } else { REST };
        match timeout(patience, self.gather(body)).await {
            Ok(Ok(all)) => Ok(all),
            Ok(Err(_)) => Err(Failure::Broken),
            Err(_) if length.is_some() => Err(Failure::Silent),
            Err(_) => Ok(false),
        }
    }

    /// Reads the body into `pieces`; `false` when it is longer than [`SHORT`].
    async fn gather(&mut self, body: &mut Incoming) -> Result<bool, hyper::Error> {
        let mut length = 0;
        while let Some(frame) = poll_fn(|cx| self.wire.poll_body(body, cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            length += data.len() as u64;
            self.pieces.push(data);
            if length > SHORT {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn one(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() < 2 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}
