//! Brings the servers to what the document says, one after another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{info, warn};
use vaultyard_model::ServerName;
use vaultyard_model::duration::Short;
use vaultyard_model::observed::{Observed, ServerSeen, State};
use vaultyard_model::port::host::HostError;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::port::rollout::{Rollout, Standing};
use vaultyard_plan::rollout::{self, Next, Wanted};

/// How long what holds a rollout may last after it has replaced a server. Then something is wrong with
/// what it brings, and it touches nothing any more until a person says so.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks while there is nothing to do.
const CALM: Duration = Duration::from_secs(1);
/// Between two looks while something holds it.
const BUSY: Duration = Duration::from_millis(25);
/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How many looks must end after a server was replaced until one of them has begun after it.
const LOOKS: u32 = 2;

/// The keeper of what servers run.
pub struct Roller {
    port: Arc<dyn Rollout>,
    observed: watch::Receiver<Option<Observed>>,
    /// When the last look ended that was seen here.
    looked: Duration,
    /// How many looks are still to be let pass.
    blind: u32,
    /// Whether it goes on with what another one has begun.
    resumes: bool,
    /// What it is in the middle of.
    way: Option<Way>,
    /// Why it could not go on the last time.
    failed: Option<String>,
}

/// A rollout that has begun.
struct Way {
    towards: Standing,
    /// Since when something holds it.
    held: Option<Duration>,
    /// Why it touches nothing any more.
    frozen: Option<String>,
}

impl Roller {
    /// A keeper for the servers behind `port`.
    pub fn new(port: Arc<dyn Rollout>, observed: watch::Receiver<Option<Observed>>) -> Self {
        let (looked, blind) = (Duration::ZERO, 0);
        Self { port, observed, looked, blind, resumes: false, way: None, failed: None }
    }

    /// One that goes on with what was begun: what it has brought must still become as it should be.
    #[must_use]
    pub fn resuming(self) -> Self {
        Self { resumes: true, ..self }
    }

    async fn advance(&mut self) -> Result<Round, HostError> {
        let standing = self.port.standing().await?;
        let seen = self.look();
        for server in seen.iter().flat_map(|seen| well(seen, &standing)) {
            self.port.note_well(server).await?;
        }
        if std::mem::take(&mut self.resumes) {
            self.way = Some(Way::towards(standing.clone()));
        }
        let left = Left::of(&standing, seen.as_ref());
        if left.is_nothing() && self.way.is_none() {
            return Ok(Round { did: None, waiting: None, next: CALM });
        }
        // A person who asks once more, and a server that is stale anew, begin from the start.
        self.way.take_if(|way| way.is_other(&standing));
        if let Some(frozen) = self.way.as_ref().and_then(|way| way.frozen.clone()) {
            return Ok(Round { did: None, waiting: Some(stuck(frozen)), next: CALM });
        }
        let Some(seen) = seen else {
            return Ok(left.waits("the servers are looked at"));
        };
        let wanted = Wanted {
            version: &standing.version,
            servers: &standing.servers,
            stale: &standing.stale,
            snapshot: standing.snapshot,
            hindrance: standing.hindrance.as_deref(),
        };
        match rollout::next(&seen, wanted) {
            Next::Done => match rollout::settled(&seen, &standing.version) {
                Ok(()) => {
                    info!(version = %standing.version, "every server is as the document says");
                    self.way = None;
                    Ok(Round { did: None, waiting: None, next: CALM })
                }
                Err(held) => Ok(self.held(&standing, left, &held.to_string(), &seen)),
            },
            Next::Snapshot => {
                info!(version = %standing.version, "a snapshot is taken before servers change");
                self.port.take_snapshot().await?;
                Ok(left.did("take-snapshot", "the snapshot is taken"))
            }
            Next::Replace { server, leads } => {
                info!(%server, leads, version = %standing.version, "the server is replaced");
                let replaced = self.port.replace(server, leads, &standing.version).await;
                self.changed(standing, replaced)?;
                Ok(left.did("replace", &format!("{server} starts anew")))
            }
            Next::Add { server } => {
                info!(%server, "the server is added");
                let added = self.port.add(&server).await;
                self.changed(standing, added)?;
                Ok(left.did("add", &format!("{server} starts")))
            }
            Next::Remove { server } => {
                info!(%server, "the server is removed for good");
                let removed = self.port.remove(server).await;
                self.changed(standing, removed)?;
                Ok(left.did("remove", &format!("{server} is gone")))
            }
            Next::Held(held) => Ok(self.held(&standing, left, &held.to_string(), &seen)),
        }
    }

    /// A server was changed, or it was tried to: looks that have ended meanwhile tell of before.
    fn changed(&mut self, towards: Standing, how: Result<(), HostError>) -> Result<(), HostError> {
        self.look();
        self.blind = LOOKS;
        how?;
        self.way = Some(Way::towards(towards));
        Ok(())
    }

    /// Waits for what holds it, and not for ever once a server has been replaced, by whomever.
    fn held(&mut self, standing: &Standing, left: Left, why: &str, seen: &Observed) -> Round {
        let begun = !standing.stale.is_empty() && standing.stale.len() < seen.servers.len();
        if self.way.is_none() && begun {
            self.way = Some(Way::towards(standing.clone()));
        }
        match self.way.as_mut().and_then(|way| way.hold(why, seen.uptime)) {
            Some(frozen) => Round { did: None, waiting: Some(stuck(frozen)), next: CALM },
            None => left.waits(why),
        }
    }

    /// What was seen last, if that look has begun after the last replacement.
    fn look(&mut self) -> Option<Observed> {
        let seen = self.observed.borrow_and_update().clone()?;
        if seen.uptime > self.looked {
            self.looked = seen.uptime;
            self.blind = self.blind.saturating_sub(1);
        }
        (self.blind == 0).then_some(seen)
    }
}

impl Way {
    fn towards(towards: Standing) -> Self {
        Self { towards, held: None, frozen: None }
    }

    /// Whether this is on the way to something else than `standing` is.
    fn is_other(&self, standing: &Standing) -> bool {
        let known = |server| self.towards.stale.contains_key(server);
        self.towards.generation != standing.generation || !standing.stale.keys().all(known)
    }

    /// Notes what holds it; says why it is frozen when that has lasted too long.
    fn hold(&mut self, reason: &str, now: Duration) -> Option<String> {
        let since = *self.held.get_or_insert(now);
        if now.saturating_sub(since) >= PATIENCE {
            let lasted = Short(PATIENCE);
            let frozen = format!(
                "the rollout is frozen, nothing more is touched: after {lasted}, {reason}; \
                 `vaultyard apply` goes on with it"
            );
            warn!("{frozen}");
            self.frozen = Some(frozen);
        }
        self.frozen.clone()
    }
}

#[async_trait]
impl Keeper for Roller {
    async fn round(&mut self, _: Timestamp) -> Round {
        let failed = match self.advance().await {
            Ok(round) => {
                self.failed = None;
                return round;
            }
            Err(error) => format!("the rollout cannot go on: {error}"),
        };
        if self.failed.as_ref() != Some(&failed) {
            warn!("{failed}");
        }
        self.failed = Some(failed.clone());
        let waiting = Some(Waiting { reason: failed, stuck: false });
        Round { did: None, waiting, next: AGAIN }
    }
}

/// The servers that are what the document says, and unsealed.
fn well<'a>(
    seen: &'a Observed,
    standing: &'a Standing,
) -> impl Iterator<Item = &'a ServerName> + 'a {
    let unsealed = |seen: &ServerSeen| seen.state().is_some_and(State::is_unsealed);
    let well =
        seen.servers.iter().filter(move |(_, seen)| unsealed(seen)).map(|(server, _)| server);
    well.filter(|server| !standing.stale.contains_key(*server))
}

fn stuck(reason: String) -> Waiting {
    Waiting { reason, stuck: true }
}

/// How many servers are still to be changed.
#[derive(Clone, Copy)]
struct Left {
    /// Are to be replaced.
    stale: usize,
    /// Are to come.
    missing: usize,
    /// Are to go.
    unwanted: usize,
}

impl Left {
    fn of(standing: &Standing, seen: Option<&Observed>) -> Self {
        let stale = standing.stale.len();
        // Until they were seen, nobody knows which stand.
        let Some(seen) = seen else { return Self { stale, missing: 0, unwanted: 0 } };
        let not_wanted = |server: &&ServerName| !standing.servers.contains(*server);
        let members = seen.peers.iter().flatten().map(|peer| &peer.server);
        let all: BTreeSet<_> = seen.servers.keys().chain(members).filter(not_wanted).collect();
        let missing = standing.servers.iter().filter(|it| !seen.servers.contains_key(*it)).count();
        Self { stale, missing, unwanted: all.len() }
    }

    fn is_nothing(self) -> bool {
        self.stale + self.missing + self.unwanted == 0
    }

    fn on_the_way(self, what: &str) -> Waiting {
        let count = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 server is still to be {what}")),
            some => Some(format!("{some} servers are still to be {what}")),
        };
        let parts = [
            count(self.unwanted, "removed"),
            count(self.stale, "replaced"),
            count(self.missing, "added"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let left = match parts.is_empty() {
            true => "every server was changed".to_owned(),
            false => parts.join(", "),
        };
        Waiting { reason: format!("{left}; {what}"), stuck: false }
    }

    fn waits(self, what: &str) -> Round {
        Round { did: None, waiting: Some(self.on_the_way(what)), next: BUSY }
    }

    fn did(self, step: &'static str, what: &str) -> Round {
        Round { did: Some(step), waiting: Some(self.on_the_way(what)), next: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::port::rollout::Stale;
    use vaultyard_testkit::fake_rollout::{Asked, FakeRollout};
    use vaultyard_testkit::sample;

    use super::*;

    /// A rollout of all three servers, and what is seen meanwhile.
    struct Scene {
        port: Arc<FakeRollout>,
        roller: Roller,
        seen: Observed,
        publish: watch::Sender<Option<Observed>>,
    }

    fn name(ordinal: u8) -> ServerName {
        sample::cluster(1).name.server(ordinal)
    }

    impl Scene {
        fn new(stale: Stale) -> Self {
            let version = sample::cluster(3).servers.version;
            let stale = (0..3).map(|ordinal| (name(ordinal), stale)).collect();
            Self::with(FakeRollout::new(version, sample::cluster(3).wanted(), stale))
        }

        fn with(port: FakeRollout) -> Self {
            let port = Arc::new(port);
            let (publish, observed) = watch::channel(None);
            let roller = Roller::new(port.clone(), observed);
            Self { port, roller, seen: sample::observed(3), publish }
        }

        /// One round after another look, so much later.
        async fn round(&mut self, later: Duration) -> Round {
            self.seen.uptime += later;
            self.publish.send_replace(Some(self.seen.clone()));
            self.roller.round(Timestamp::UNIX_EPOCH).await
        }

        /// Rounds until there is nothing to do.
        async fn rounds(&mut self) {
            for _ in 0..20 {
                if self.round(Duration::from_secs(1)).await.waiting.is_none() {
                    return;
                }
            }
            panic!("the rollout has no end: {:?}", self.port.asked());
        }
    }

    #[tokio::test]
    async fn a_version_comes_after_a_snapshot_to_one_server_after_another() {
        let mut scene = Scene::new(Stale::Version);
        scene.rounds().await;
        let replace = |ordinal, leads| Asked::Replace(name(ordinal), leads);
        let expected = [Asked::Snapshot, replace(2, false), replace(1, false), replace(0, true)];
        assert_eq!(scene.port.asked(), expected);
    }

    #[tokio::test]
    async fn another_number_of_servers_is_come_to_one_at_a_time() {
        let cluster = sample::cluster(5);
        let port = FakeRollout::new(cluster.servers.version.clone(), cluster.wanted(), [].into());
        let mut scene = Scene::with(port);
        for standing in 3..=5 {
            scene.seen = Observed { uptime: scene.seen.uptime, ..sample::observed(standing) };
            for _ in 0..LOOKS {
                scene.round(Duration::from_secs(1)).await;
            }
        }
        assert_eq!(scene.port.asked(), [Asked::Add(name(3)), Asked::Add(name(4))]);
        scene.seen.servers.insert(name(5), scene.seen.servers[&name(4)].clone());
        scene.round(Duration::from_secs(1)).await;
        assert_eq!(scene.port.asked().last(), Some(&Asked::Remove(name(5))));
    }

    /// Who takes over a keeper's work in the middle does not call it done.
    #[tokio::test]
    async fn who_resumes_waits_for_what_was_brought() {
        let cluster = sample::cluster(3);
        let port = FakeRollout::new(cluster.servers.version.clone(), cluster.wanted(), [].into());
        let mut scene = Scene::with(port);
        scene.roller = Roller::new(scene.port.clone(), scene.publish.subscribe()).resuming();
        scene.seen.peers.as_mut().unwrap()[2].voter = false;
        let waiting = scene.round(Duration::from_secs(1)).await.waiting.unwrap();
        assert_eq!(waiting.reason, "every server was changed; vault-2: it has no vote in raft yet");
        scene.seen = Observed { uptime: scene.seen.uptime, ..sample::observed(3) };
        assert_eq!(scene.round(Duration::from_secs(1)).await.waiting, None);
    }

    #[tokio::test]
    async fn what_was_seen_before_a_server_was_replaced_does_not_count_after_it() {
        let mut scene = Scene::new(Stale::Configuration);
        scene.round(Duration::from_secs(1)).await;
        for _ in 0..5 {
            scene.round(Duration::ZERO).await;
        }
        scene.round(Duration::from_millis(100)).await;
        assert_eq!(scene.port.asked(), [Asked::Replace(name(2), false)]);
        scene.round(Duration::from_millis(100)).await;
        assert_eq!(scene.port.asked().len(), 2);
    }

    /// The watcher goes on while a server is replaced.
    #[tokio::test]
    async fn looks_that_end_while_a_server_is_replaced_do_not_count_either() {
        let mut scene = Scene::new(Stale::Configuration);
        scene.round(Duration::from_secs(1)).await;
        scene.seen.uptime += Duration::from_secs(9);
        scene.publish.send_replace(Some(scene.seen.clone()));
        scene.roller.look();
        scene.roller.blind = LOOKS;
        scene.round(Duration::ZERO).await;
        scene.round(Duration::from_millis(100)).await;
        assert_eq!(scene.port.asked().len(), 1);
    }

    #[tokio::test]
    async fn the_last_server_is_waited_for_too() {
        let mut scene = Scene::new(Stale::Configuration);
        while scene.port.asked().len() < 3 {
            scene.round(Duration::from_secs(1)).await;
        }
        scene.seen.servers.get_mut(&name(0)).unwrap().health.as_mut().unwrap().state =
            State::Sealed;
        let waiting = |round: Round| round.waiting.unwrap().reason;
        for _ in 0..2 {
            scene.round(Duration::from_secs(1)).await;
        }
        let reason = waiting(scene.round(Duration::from_secs(1)).await);
        assert_eq!(reason, "every server was changed; vault-0: it is sealed");
        let frozen = waiting(scene.round(PATIENCE).await);
        assert!(frozen.contains("frozen"), "{frozen}");
    }

    #[tokio::test]
    async fn who_goes_on_with_a_rollout_that_another_began_freezes_it_too() {
        let mut scene = Scene::new(Stale::Configuration);
        while scene.port.asked().is_empty() {
            scene.round(Duration::from_secs(1)).await;
        }
        let replaced = scene.seen.servers.get_mut(&name(2)).unwrap();
        replaced.health.as_mut().unwrap().state = State::Sealed;
        scene.roller = Roller::new(scene.port.clone(), scene.publish.subscribe());
        assert!(!scene.round(Duration::from_secs(1)).await.waiting.unwrap().stuck);
        assert!(scene.round(PATIENCE).await.waiting.unwrap().stuck);
        assert_eq!(scene.port.asked().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_does_not_come_back_freezes_the_rollout_for_good() {
        let mut scene = Scene::new(Stale::Configuration);
        scene.round(Duration::from_secs(1)).await;
        let replaced = scene.seen.servers.get_mut(&name(2)).unwrap();
        replaced.health.as_mut().unwrap().state = State::Sealed;
        for later in [1, 1, 1, 298] {
            let waiting = scene.round(Duration::from_secs(later)).await.waiting.unwrap();
            assert!(!waiting.stuck && waiting.reason.contains("to be replaced"), "{waiting:?}");
        }
        let frozen = scene.round(Duration::from_secs(1)).await.waiting.unwrap();
        assert!(frozen.stuck && frozen.reason.contains("vault-2: it is sealed"), "{frozen:?}");
        scene.seen = Observed { uptime: scene.seen.uptime, ..sample::observed(3) };
        assert_eq!(scene.round(Duration::from_secs(1)).await.waiting, Some(frozen));
        assert_eq!(scene.port.asked(), [Asked::Replace(name(2), false)]);
        scene.port.ask_again();
        scene.rounds().await;
        assert_eq!(scene.port.asked().len(), 3);
    }
}
