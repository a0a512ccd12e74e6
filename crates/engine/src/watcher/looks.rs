//! Single looks at servers, and who asks for one.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use vaultyard_model::observed::{Observed, ProcessSeen, ServerSeen};
use vaultyard_model::port::server::{CallError, Server};

use super::Watched;

/// How long one server may take for each answer. Above it has none in this round.
const DEADLINE: Duration = Duration::from_millis(500);
/// How often a server that seems to be silent is asked with patience before it is ended: on a
/// machine that is short of time, a server that works is slow.
const LAST_ASKED: u32 = 2;
/// So many may wait for a look at the same time.
const WAITING: usize = 16;

/// Asks the watcher for a look that begins now.
#[derive(Debug, Clone)]
pub struct Looks(mpsc::Sender<oneshot::Sender<Observed>>);

/// Who has asked for one.
#[derive(Debug)]
pub struct Asked {
    asks: mpsc::Receiver<oneshot::Sender<Observed>>,
    waiting: Vec<oneshot::Sender<Observed>>,
}

/// Who is answered with the look that is taken.
pub(super) struct Waiting(Vec<oneshot::Sender<Observed>>);

impl Looks {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, Asked) {
        let (ask, asks) = mpsc::channel(WAITING);
        (Self(ask), Asked { asks, waiting: Vec::new() })
    }

    /// What is seen by a look that begins after the question; `None` when nobody watches any more.
    pub async fn fresh(&self) -> Option<Observed> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        answered.await.ok()
    }
}

impl Asked {
    /// Returns when somebody asks.
    pub(super) async fn wait(&mut self) {
        match self.asks.recv().await {
            Some(ask) => self.waiting.push(ask),
            None => std::future::pending().await,
        }
    }

    /// Everybody who has asked until now.
    pub(super) fn taken(&mut self) -> Waiting {
        while let Ok(ask) = self.asks.try_recv() {
            self.waiting.push(ask);
        }
        Waiting(std::mem::take(&mut self.waiting))
    }
}

impl Waiting {
    pub(super) fn answer(self, seen: &Observed) {
        for ask in self.0 {
            // Who asked may have lost patience.
            let _ = ask.send(seen.clone());
        }
    }
}

/// One look at one server.
pub(super) async fn look(watched: &Watched) -> ServerSeen {
    let seen = at_most_health(watched).await;
    let unsealed = seen.health.as_ref().is_ok_and(|health| health.state.is_unsealed());
    let raft = match unsealed {
        true => timeout(DEADLINE, watched.api.leader()).await.ok().and_then(Result::ok),
        false => None,
    };
    ServerSeen { raft, ..seen }
}

/// Whether a server is still as it was `seen`, by what costs it least. One whose process is on another
/// machine is not asked.
pub(super) async fn glance(watched: &Watched, seen: &ServerSeen) -> bool {
    if watched.host.is_none() {
        return true;
    }
    let now = at_most_health(watched).await;
    (&now.process, &now.health) == (&seen.process, &seen.health)
}

/// What its host tells of a server, and its health when it runs.
async fn at_most_health(watched: &Watched) -> ServerSeen {
    let host = watched.host.as_deref();
    let process = host.map_or(ProcessSeen::Elsewhere, |host| host.process());
    let free_bytes = host.and_then(|host| host.free_bytes().ok());
    let last_end = host.and_then(|host| host.last_end());
    let runs = matches!(process, ProcessSeen::Running { .. } | ProcessSeen::Elsewhere);
    let health = match runs {
        false => Err("is not running".to_owned()),
        true => match timeout(DEADLINE, watched.api.health()).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("did not answer within {DEADLINE:?}")),
        },
    };
    ServerSeen { process, health, raft: None, reached: true, last_end, free_bytes }
}

/// Whether a server gives any answer, also an error, when it is given the time.
pub(super) async fn answers(api: &dyn Server) -> bool {
    for _ in 0..LAST_ASKED {
        match api.health().await {
            Err(CallError::NoAnswer(_) | CallError::Unreachable(_)) => {}
            Ok(_) | Err(CallError::Refused { .. } | CallError::Malformed(_)) => return true,
        }
    }
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use tokio::sync::Semaphore;
    use vaultyard_model::observed::{Health, LeaderSeen, SealStatus, State};
    use vaultyard_model::port::server::{InitialKeys, KeyKind};
    use vaultyard_model::{ClusterName, Secret, Version};
    use vaultyard_testkit::fake_launcher::FakeLauncher;
    use vaultyard_testkit::fixed::FixedClock;

    use super::*;
    use crate::supervisor::supervise;

    /// A server that answers one question when it may, and leaves every other open for ever.
    pub(in crate::watcher) struct Says {
        answer: Result<State, CallError>,
        /// How often it was asked; the patch of the version that it tells.
        pub(in crate::watcher) asked: AtomicU32,
        /// How many answers it may give.
        pub(in crate::watcher) may: Semaphore,
    }

    impl Says {
        /// This, whenever it is asked.
        fn always(answer: Result<State, CallError>) -> Self {
            Self { may: Semaphore::new(Semaphore::MAX_PERMITS), ..Self::held(answer) }
        }

        /// This, when it is let.
        pub(in crate::watcher) fn held(answer: Result<State, CallError>) -> Self {
            Self { answer, asked: AtomicU32::new(0), may: Semaphore::new(0) }
        }
    }

    #[async_trait]
    impl Server for Says {
        async fn health(&self) -> Result<Health, CallError> {
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            self.may.acquire().await.unwrap().forget();
            let version = Version::new(&format!("1.0.{number}")).ok();
            self.answer.clone().map(|state| Health { state, version })
        }

        async fn seal_status(&self) -> Result<SealStatus, CallError> {
            std::future::pending().await
        }

        async fn leader(&self) -> Result<LeaderSeen, CallError> {
            std::future::pending().await
        }

        async fn initialise(&self, _: KeyKind, _: u8, _: u8) -> Result<InitialKeys, CallError> {
            std::future::pending().await
        }

        async fn join(&self, _: &str, _: &str) -> Result<(), CallError> {
            std::future::pending().await
        }

        async fn reset_unseal(&self) -> Result<SealStatus, CallError> {
            std::future::pending().await
        }

        async fn unseal(&self, _: &Secret) -> Result<SealStatus, CallError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_health_that_was_answered_counts_though_the_leader_is_not_told_in_time() {
        let launcher = Arc::new(FakeLauncher::default());
        let name = ClusterName::new("vault").unwrap().server(0);
        let clock = Arc::new(FixedClock::default());
        let (process, supervisor) = supervise(name, launcher, clock);
        tokio::spawn(supervisor.run());
        let runs = |seen: &ProcessSeen| matches!(seen, ProcessSeen::Running { .. });
        process.watch_process().wait_for(runs).await.unwrap();
        let seen = look(&Watched {
            api: Arc::new(Says::always(Ok(State::Active))),
            host: Some(Arc::new(process)),
        })
        .await;
        assert_eq!((seen.state(), seen.raft), (Some(State::Active), None));
    }

    #[tokio::test]
    async fn only_a_server_that_gives_no_answer_at_all_is_silent() {
        let refused = CallError::Refused { status: 500, errors: Vec::new() };
        assert!(answers(&Says::always(Err(refused))).await);
        assert!(answers(&Says::always(Ok(State::Sealed))).await);
        assert!(!answers(&Says::always(Err(CallError::NoAnswer("deadline".to_owned())))).await);
        assert!(!answers(&Says::always(Err(CallError::Unreachable("refused".to_owned())))).await);
    }

    #[tokio::test]
    async fn who_asks_is_answered_with_a_look_that_began_later() {
        let (looks, mut asked) = Looks::new();
        let fresh = tokio::spawn(async move { looks.fresh().await });
        asked.wait().await;
        let seen = vaultyard_testkit::sample::observed(3);
        asked.taken().answer(&seen);
        assert_eq!(fresh.await.unwrap(), Some(seen));
        let nobody_watches = Looks::new().0;
        assert_eq!(nobody_watches.fresh().await, None);
    }

    #[tokio::test]
    async fn a_glance_asks_only_what_runs_here_and_sees_that_it_is_another_way() {
        let elsewhere = Watched { api: Arc::new(Says::always(Ok(State::Sealed))), host: None };
        let mut seen = look(&elsewhere).await;
        seen.health = Ok(Health { state: State::Active, version: None });
        assert!(glance(&elsewhere, &seen).await);
        let (process, _supervisor) = supervise(
            ClusterName::new("vault").unwrap().server(0),
            Arc::new(FakeLauncher::default()),
            Arc::new(FixedClock::default()),
        );
        let here = Watched { host: Some(Arc::new(process)), ..elsewhere };
        let seen = look(&here).await;
        assert!(glance(&here, &seen).await);
        let other = ServerSeen { process: ProcessSeen::Stopped, ..seen };
        assert!(!glance(&here, &other).await);
    }
}
