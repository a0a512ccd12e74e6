//! The one door to the leader: who may pass now, who waits, and how many.
//!
//! The door is open while a leader is known and nobody drains. A request passes with a [`Permit`],
//! which names the leader; what cannot pass waits in the queues of [`crate::slots`]. Passing and
//! closing happen under one lock, so that after a drain nothing is in flight and nothing starts.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::holds::Holds;
use crate::leader::Leader;
use crate::metrics::Metrics;
use crate::shares::Shares;
use crate::slots::{Place, Slots};

/// Who shares a queue. Logins have one of their own: they are what is slow without a token (LDAP,
/// bcrypt), and behind one address they must not keep others from reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    /// The client's address.
    pub(crate) client: IpAddr,
    /// Whether it logs in.
    pub(crate) login: bool,
}

/// Which slots a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pool {
    /// The whole request is at hand.
    Whole,
    /// The body is passed on while it arrives.
    Streamed,
}

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It waited as long as it may.
    TooLong,
    /// Too many wait already.
    TooMany,
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests at the leader.
    pub in_flight: u64,
    /// Requests that wait for a leader, for the end of a drain, or for a slot.
    pub held: u64,
    /// Long answers that are being passed on.
    pub long_answers: u64,
}

type Waiter = oneshot::Sender<Permit>;

struct State {
    leader: Option<Leader>,
    drains: u32,
    whole: Slots<Lane, Waiter>,
    streamed: Slots<Lane, Waiter>,
    held: Shares<IpAddr>,
    long_answers: Shares<IpAddr>,
    next_id: u64,
}

impl State {
    fn open(&self) -> Option<Leader> {
        self.leader.filter(|_| self.drains == 0)
    }

    fn pool(&mut self, pool: Pool) -> &mut Slots<Lane, Waiter> {
        match pool {
            Pool::Whole => &mut self.whole,
            Pool::Streamed => &mut self.streamed,
        }
    }

    fn in_flight(&self) -> u64 {
        self.whole.used() + self.streamed.used()
    }
}

/// How much fits through and before the door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Slots of requests that are at hand.
    pub(crate) whole: u64,
    /// Slots of requests whose bodies are passed on.
    pub(crate) streamed: u64,
    /// Requests that wait.
    pub(crate) held: u64,
    /// Long answers that are passed on without a slot.
    pub(crate) long_answers: u64,
}

/// See the module.
pub(crate) struct Gate {
    state: Mutex<State>,
    idle: Notify,
    holds: Holds,
    metrics: Arc<Metrics>,
}

impl Gate {
    /// Closed: nobody leads.
    pub(crate) fn new(room: Room, metrics: Arc<Metrics>) -> Arc<Self> {
        let state = State {
            leader: None,
            drains: 0,
            whole: Slots::new(room.whole),
            streamed: Slots::new(room.streamed),
            held: Shares::new(room.held),
            long_answers: Shares::new(room.long_answers),
            next_id: 0,
        };
        let (idle, holds) = (Notify::new(), Holds::default());
        Arc::new(Self { state: Mutex::new(state), idle, holds, metrics })
    }

    /// The requests that were held.
    pub(crate) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// What is under way.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        Counts {
            in_flight: state.in_flight(),
            held: state.held.used(),
            long_answers: state.long_answers.used(),
        }
    }

    /// Opens the door to a new leader, or closes it.
    pub(crate) fn set_leader(self: &Arc<Self>, leader: Option<Leader>) {
        self.change(|state| state.leader = leader);
    }

    /// Passes at once, or waits until `until`.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        pool: Pool,
        lane: Lane,
        place: Place,
        until: Instant,
    ) -> Result<Permit, Held> {
        let (mut waiting, granted) = {
            let mut state = self.lock();
            if let Some(leader) = state.open()
                && state.pool(pool).take(lane)
            {
                return Ok(self.permit(pool, lane, leader));
            }
            if !state.held.take(lane.client, 1) {
                return Err(Held::TooMany);
            }
            let id = state.next_id;
            state.next_id += 1;
            let (waiter, granted) = oneshot::channel();
            state.pool(pool).wait(lane, id, waiter, place);
            self.metrics.held.inc();
            (Waiting { gate: self, pool, lane, id, queued: true }, granted)
        };
        let began = Instant::now();
        let passed = tokio::time::timeout_at(until, granted).await;
        waiting.queued = passed.is_err();
        drop(waiting);
        let lasted = began.elapsed();
        self.metrics.hold_seconds.observe(lasted.as_secs_f64());
        self.holds.note(began + lasted, lasted);
        match passed {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Held::TooLong),
        }
    }

    /// Closes the door and waits, at most `within`, until nothing is in flight.
    pub(crate) async fn drain(self: &Arc<Self>, within: Duration) -> Drain {
        self.lock().drains += 1;
        let drain = Drain { gate: Arc::clone(self) };
        let empty = async {
            loop {
                let mut emptied = std::pin::pin!(self.idle.notified());
                emptied.as_mut().enable();
                if self.lock().in_flight() == 0 {
                    break;
                }
                emptied.await;
            }
        };
        // When it does not become empty in time, the counts of the drain say so.
        let _ = tokio::time::timeout(within, empty).await;
        drain
    }

    /// Takes a place among the long answers, if there is one.
    pub(crate) fn long_answer(self: &Arc<Self>, client: IpAddr) -> Option<LongAnswer> {
        let taken = self.lock().long_answers.take(client, 1);
        taken.then(|| {
            self.metrics.long_answers.inc();
            LongAnswer { gate: Arc::clone(self), client }
        })
    }

    fn permit(self: &Arc<Self>, pool: Pool, lane: Lane, leader: Leader) -> Permit {
        self.metrics.in_flight.inc();
        Permit { gate: Arc::clone(self), pool, lane, leader }
    }

    /// Changes the state, then lets pass whoever can.
    fn change(self: &Arc<Self>, what: impl FnOnce(&mut State)) {
        let mut granted = Vec::new();
        {
            let mut state = self.lock();
            what(&mut state);
            if let Some(leader) = state.open() {
                for pool in [Pool::Whole, Pool::Streamed] {
                    while let Some((lane, waiter)) = state.pool(pool).next() {
                        granted.push((waiter, self.permit(pool, lane, leader)));
                    }
                }
            }
            if state.drains > 0 && state.in_flight() == 0 {
                self.idle.notify_waiters();
            }
        }
        for (waiter, permit) in granted {
            // Whoever went away meanwhile gives his permit back by dropping it, outside the lock.
            drop(waiter.send(permit));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits; dropping it leaves the queue.
struct Waiting<'a> {
    gate: &'a Arc<Gate>,
    pool: Pool,
    lane: Lane,
    id: u64,
    queued: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.metrics.held.dec();
        let mut state = self.gate.lock();
        state.held.give_back(self.lane.client, 1);
        if self.queued {
            state.pool(self.pool).forget(self.lane, self.id);
        }
    }
}

/// The right to one request at the leader; dropping it gives the slot to the next.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    pool: Pool,
    lane: Lane,
    leader: Leader,
}

impl Permit {
    /// The server that the request goes to.
    pub(crate) fn leader(&self) -> Leader {
        self.leader
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Self { pool, lane, .. } = *self;
        self.gate.metrics.in_flight.dec();
        self.gate.change(|state| state.pool(pool).give_back(lane));
    }
}

/// A place among the long answers; dropping it gives it back.
pub(crate) struct LongAnswer {
    gate: Arc<Gate>,
    client: IpAddr,
}

impl Drop for LongAnswer {
    fn drop(&mut self) {
        self.gate.metrics.long_answers.dec();
        self.gate.lock().long_answers.give_back(self.client, 1);
    }
}

/// The door held shut; dropping it opens the door again.
pub(crate) struct Drain {
    gate: Arc<Gate>,
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.gate.change(|state| state.drains -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Lane = Lane { client: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), login: false };
    const B: Lane = Lane { client: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), login: false };
    const FIRST: Leader = Leader { server: 0, term: 1 };

    fn gate(whole: u64, held: u64) -> Arc<Gate> {
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        Gate::new(Room { whole, streamed: 1, held, long_answers: 2 }, metrics)
    }

    async fn pass(gate: &Arc<Gate>, lane: Lane, wait: u64) -> Result<Permit, Held> {
        let until = Instant::now() + Duration::from_millis(wait);
        gate.pass(Pool::Whole, lane, Place::Back, until).await
    }

    #[tokio::test]
    async fn requests_wait_for_a_leader() {
        let gate = gate(2, 10);
        assert_eq!(pass(&gate, A, 1).await.err(), Some(Held::TooLong));
        let (passed, ()) = tokio::join!(pass(&gate, A, 5_000), async {
            assert_eq!(gate.counts().held, 1);
            gate.set_leader(Some(FIRST));
        });
        assert_eq!(passed.map(|permit| permit.leader()), Ok(FIRST));
        assert_eq!(gate.counts().in_flight, 0);
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let gate = gate(2, 1);
        let (first, second) = tokio::join!(pass(&gate, A, 20), pass(&gate, B, 20));
        assert_eq!(first.err(), Some(Held::TooLong));
        assert_eq!(second.err(), Some(Held::TooMany));
    }

    #[tokio::test]
    async fn who_goes_away_leaves_no_trace() {
        let gate = gate(1, 10);
        gate.set_leader(Some(FIRST));
        let permit = pass(&gate, A, 1).await;
        assert!(pass(&gate, B, 1).await.is_err());
        drop(permit);
        assert_eq!(gate.counts(), Counts { in_flight: 0, held: 0, long_answers: 0 });
        assert!(pass(&gate, B, 1).await.is_ok());
    }

    #[tokio::test]
    async fn a_drain_ends_when_nothing_is_in_flight_and_nothing_starts_then() {
        let gate = gate(4, 10);
        gate.set_leader(Some(FIRST));
        let permit = pass(&gate, A, 1).await;
        let late = gate.drain(Duration::from_millis(1)).await;
        assert_eq!(gate.counts().in_flight, 1);
        drop(late);
        let (drain, ()) =
            tokio::join!(gate.drain(Duration::from_secs(5)), async move { drop(permit) });
        assert_eq!(gate.counts().in_flight, 0);
        assert_eq!(pass(&gate, A, 1).await.err(), Some(Held::TooLong));
        drop(drain);
        assert!(pass(&gate, A, 1).await.is_ok());
    }
}
