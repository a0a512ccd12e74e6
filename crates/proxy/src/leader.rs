//! Which server leads: what the answers of `sys/health` and the refusals of requests say together.
//!
//! [`Board`] decides and does no I/O; [`Leadership`] owns the board and tells the gate and whoever
//! listens; [`poll`] asks the servers.

pub(crate) mod poll;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use vaultyard_model::ServerName;

use crate::gate::Gate;
use crate::metrics::Metrics;

/// How long the health of a server that has just refused a request as its leader is not believed.
/// It keeps request and refusal from chasing each other while a server changes its mind.
const DISTRUST: Duration = Duration::from_millis(20);

/// A server that leads, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    /// The place.
    pub(crate) server: usize,
    /// Counts leaders, so that a late refusal by an earlier one is known as such.
    pub(crate) term: u64,
}

/// What a server says of itself when it is asked how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It leads (200).
    Active,
    /// It does not: a standby, sealed, not initialised.
    NotActive,
    /// Nothing: no address, no connection, no answer in time.
    Nothing,
}

/// What is known of all servers. Pure: the time is an argument.
pub(crate) struct Board {
    servers: Vec<Seen>,
    leader: Option<Leader>,
    term: u64,
    unknown_since: Instant,
    changes: u32,
}

#[derive(Clone, Default)]
struct Seen {
    active: bool,
    silent: bool,
    excluded: u32,
    distrusted_until: Option<Instant>,
}

impl Board {
    /// Nothing is known of any of the servers.
    pub(crate) fn new(servers: usize, now: Instant) -> Self {
        let servers = vec![Seen::default(); servers];
        Self { servers, leader: None, term: 0, unknown_since: now, changes: 0 }
    }

    /// From now on there are so many servers, the first of them those of before.
    pub(crate) fn stand(&mut self, servers: usize, now: Instant) {
        self.servers.resize(servers, Seen::default());
        if self.leader.is_some_and(|leader| leader.server >= servers) {
            self.depose(now);
        }
    }

    /// Who leads.
    pub(crate) fn leader(&self) -> Option<Leader> {
        self.leader
    }

    /// What came of asking a server at `asked`.
    ///
    /// For a moment two servers can answer as active; the one that began last is right.
    pub(crate) fn heard(&mut self, server: usize, answer: Answer, asked: Instant, now: Instant) {
        let Some(seen) = self.servers.get_mut(server) else { return };
        let active = answer == Answer::Active;
        seen.silent = answer == Answer::Nothing;
        if seen.distrusted_until.is_some_and(|until| asked < until) || seen.excluded > 0 {
            return;
        }
        let begins = active && !seen.active;
        seen.active = active;
        let leads = self.leader.is_some_and(|leader| leader.server == server);
        if leads && !active {
            self.depose(now);
        } else if active && !leads && (begins || self.leader.is_none()) {
            self.term += 1;
            self.leader = Some(Leader { server, term: self.term });
        }
    }

    /// A request was refused by `leader` in a way that says that it does not lead.
    pub(crate) fn refused(&mut self, leader: Leader, now: Instant) {
        if self.leader != Some(leader) {
            return;
        }
        self.depose(now);
        if let Some(seen) = self.servers.get_mut(leader.server) {
            seen.active = false;
            seen.distrusted_until = Some(now + DISTRUST);
        }
    }

    /// The server is not to lead, whatever it answers, until it is included as often.
    pub(crate) fn exclude(&mut self, server: usize, now: Instant) {
        let Some(seen) = self.servers.get_mut(server) else { return };
        seen.excluded += 1;
        seen.active = false;
        if self.leader.is_some_and(|leader| leader.server == server) {
            self.depose(now);
        }
    }

    /// Undoes one [`Self::exclude`].
    pub(crate) fn include(&mut self, server: usize) {
        if let Some(seen) = self.servers.get_mut(server) {
            seen.excluded = seen.excluded.saturating_sub(1);
        }
    }

    /// A planned change is under way: no request will tell that the leader left, so polls must.
    pub(crate) fn begin_change(&mut self) {
        self.changes += 1;
    }

    /// It is over.
    pub(crate) fn end_change(&mut self) {
        self.changes = self.changes.saturating_sub(1);
    }

    fn depose(&mut self, now: Instant) {
        self.leader = None;
        self.unknown_since = now;
    }

    /// How long to wait before `server` is asked again.
    ///
    /// An election takes a second or less when it goes well, and every poll too late is a longer
    /// gap for all clients; after ten seconds something else is wrong, and haste helps nobody. A
    /// server that cannot be reached has to start, and be unsealed, before it can lead: it is asked
    /// less often, since each try at a name that does not resolve is several questions of DNS.
    pub(crate) fn pause(&self, server: usize, now: Instant) -> Duration {
        let silent = self.servers.get(server).is_some_and(|seen| seen.silent);
        let recent = now.duration_since(self.unknown_since) < Duration::from_secs(10);
        let hasty = self.changes > 0 || (self.leader.is_none() && recent);
        let milliseconds = match self.leader {
            _ if hasty && silent => 100,
            _ if hasty => 20,
            None if silent => 250,
            None => 100,
            Some(leader) if leader.server == server => 500,
            Some(_) => 1000,
        };
        Duration::from_millis(milliseconds)
    }
}

/// The board, its owner's lock, and those who are told.
pub(crate) struct Leadership {
    known: Mutex<Known>,
    gate: Arc<Gate>,
    told: watch::Sender<Option<Leader>>,
    told_name: watch::Sender<Option<ServerName>>,
    wake: Notify,
    metrics: Arc<Metrics>,
}

/// The board, and the names of the servers on it.
struct Known {
    board: Board,
    names: Vec<ServerName>,
}

impl Leadership {
    /// Nobody leads yet.
    pub(crate) fn new(names: Vec<ServerName>, gate: Arc<Gate>, metrics: Arc<Metrics>) -> Self {
        Self {
            known: Mutex::new(Known { board: Board::new(names.len(), Instant::now()), names }),
            gate,
            told: watch::Sender::new(None),
            told_name: watch::Sender::new(None),
            wake: Notify::new(),
            metrics,
        }
    }

    /// Follows the leader from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Leader>> {
        self.told.subscribe()
    }

    /// The same, by name.
    pub(crate) fn subscribe_name(&self) -> watch::Receiver<Option<ServerName>> {
        self.told_name.subscribe()
    }

    /// The place of a server in the configuration.
    pub(crate) fn place(&self, name: &ServerName) -> Option<usize> {
        self.lock().names.iter().position(|known| known == name)
    }

    /// From now on these are the servers; those at the same places as before are the same ones.
    pub(crate) fn stand(&self, names: Vec<ServerName>) {
        self.change(|board, now| board.stand(names.len(), now));
        self.lock().names = names;
        self.ask_now();
    }

    /// See [`Board::heard`].
    pub(crate) fn heard(&self, server: usize, answer: Answer, asked: Instant) {
        self.change(|board, now| board.heard(server, answer, asked, now));
    }

    /// See [`Board::refused`]. All servers are asked at once.
    pub(crate) fn refused(&self, leader: Leader) {
        self.change(|board, now| board.refused(leader, now));
        self.ask_now();
    }

    /// See [`Board::exclude`].
    pub(crate) fn exclude(&self, server: usize) {
        self.change(|board, now| board.exclude(server, now));
        self.ask_now();
    }

    /// See [`Board::include`].
    pub(crate) fn include(&self, server: usize) {
        self.change(|board, _| board.include(server));
        self.ask_now();
    }

    /// See [`Board::begin_change`].
    pub(crate) fn begin_change(&self) {
        self.change(|board, _| board.begin_change());
        self.ask_now();
    }

    /// See [`Board::end_change`].
    pub(crate) fn end_change(&self) {
        self.change(|board, _| board.end_change());
    }

    /// Asks all servers now: something happened that may be a change of leader.
    pub(crate) fn ask_now(&self) {
        self.wake.notify_waiters();
    }

    /// Returns when `server` is to be asked again.
    pub(crate) async fn pause(&self, server: usize) {
        let woken = self.wake.notified();
        let pause = self.lock().board.pause(server, Instant::now());
        // Either way it is time to ask.
        let _ = tokio::time::timeout(pause, woken).await;
    }

    fn change(&self, what: impl FnOnce(&mut Board, Instant)) {
        let mut known = self.lock();
        let Known { board, names } = &mut *known;
        let before = board.leader();
        what(board, Instant::now());
        let after = board.leader();
        if before == after {
            return;
        }
        // Told under the lock, so that the gate hears of leaders in their order.
        self.gate.set_leader(after);
        self.told.send_replace(after);
        let name = after.and_then(|leader| names.get(leader.server));
        self.told_name.send_replace(name.cloned());
        if after.is_some() {
            self.metrics.leader_changes.inc();
        }
        match name {
            Some(name) => tracing::info!(server = name.as_str(), "a leader is known"),
            None => tracing::info!("no leader is known"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Play {
        board: Board,
        now: Instant,
    }

    impl Play {
        fn new() -> Self {
            let now = Instant::now();
            Self { board: Board::new(3, now), now }
        }

        fn heard(&mut self, server: usize, active: bool) -> Option<usize> {
            let answer = if active { Answer::Active } else { Answer::NotActive };
            self.board.heard(server, answer, self.now, self.now);
            self.leader()
        }

        fn leader(&self) -> Option<usize> {
            self.board.leader().map(|leader| leader.server)
        }
    }

    #[test]
    fn only_an_active_server_leads() {
        let mut play = Play::new();
        assert_eq!(play.heard(0, false), None);
        assert_eq!(play.heard(1, true), Some(1));
        assert_eq!(play.heard(0, false), Some(1));
        assert_eq!(play.heard(1, false), None);
    }

    #[test]
    fn of_two_active_servers_the_one_that_began_last_leads() {
        let mut play = Play::new();
        play.heard(0, true);
        assert_eq!(play.heard(1, true), Some(1));
        assert_eq!(play.heard(0, true), Some(1));
        assert_eq!(play.heard(1, false), None);
        assert_eq!(play.heard(0, true), Some(0));
    }

    #[test]
    fn a_refusal_deposes_until_a_later_poll_says_otherwise() {
        let mut play = Play::new();
        play.heard(0, true);
        let leader = play.board.leader().unwrap();
        play.board.refused(leader, play.now);
        assert_eq!(play.leader(), None);
        assert_eq!(play.heard(0, true), None, "asked before the distrust ended");
        play.now += DISTRUST;
        assert_eq!(play.heard(0, true), Some(0));
    }

    #[test]
    fn a_late_refusal_by_an_earlier_leader_is_nothing_new() {
        let mut play = Play::new();
        play.heard(0, true);
        let earlier = play.board.leader().unwrap();
        play.heard(1, true);
        play.board.refused(earlier, play.now);
        assert_eq!(play.leader(), Some(1));
    }

    #[test]
    fn servers_come_and_go_and_one_that_is_gone_does_not_lead() {
        let mut play = Play::new();
        play.board.stand(4, play.now);
        assert_eq!(play.heard(3, true), Some(3));
        play.board.stand(3, play.now);
        assert_eq!(play.heard(3, true), None);
        assert_eq!(play.heard(2, true), Some(2));
        play.board.stand(4, play.now);
        assert_eq!(play.leader(), Some(2));
    }

    #[test]
    fn an_excluded_server_does_not_lead() {
        let mut play = Play::new();
        play.heard(0, true);
        play.board.exclude(0, play.now);
        assert_eq!(play.leader(), None);
        assert_eq!(play.heard(0, true), None);
        play.board.include(0);
        assert_eq!(play.heard(0, true), Some(0));
    }

    #[test]
    fn servers_are_asked_in_haste_while_nobody_leads_or_a_change_is_under_way() {
        let mut play = Play::new();
        let soon = Duration::from_millis(100);
        assert!(play.board.pause(0, play.now) < soon);
        assert_eq!(play.board.pause(0, play.now + Duration::from_secs(60)), soon);
        play.heard(0, true);
        assert!(play.board.pause(0, play.now) > soon);
        assert!(play.board.pause(1, play.now) > play.board.pause(0, play.now));
        play.board.begin_change();
        assert!(play.board.pause(0, play.now) < soon && play.board.pause(1, play.now) < soon);
        play.board.end_change();
        assert!(play.board.pause(0, play.now) > soon);
    }

    #[test]
    fn a_server_that_says_nothing_is_asked_in_haste_only_once_it_answers() {
        let mut play = Play::new();
        let later = play.now + Duration::from_secs(60);
        play.board.heard(0, Answer::Nothing, play.now, play.now);
        for now in [play.now, later] {
            assert!(play.board.pause(0, now) > play.board.pause(1, now));
        }
        play.heard(0, false);
        for now in [play.now, later] {
            assert_eq!(play.board.pause(0, now), play.board.pause(1, now));
        }
    }

    #[test]
    fn what_an_excluded_server_says_still_tells_that_it_can_be_reached() {
        let mut play = Play::new();
        play.board.heard(0, Answer::Nothing, play.now, play.now);
        play.board.exclude(0, play.now);
        play.heard(0, true);
        assert_eq!(play.board.pause(0, play.now), play.board.pause(1, play.now));
    }
}
