//! Looks again and again whether the keys still lie where they are kept and can be opened. Servers that
//! are unsealed do not need them, so nobody else would notice before the first one stays sealed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;
use vaultyard_keys::envelope::Header;
use vaultyard_keys::{probe, stored};
use vaultyard_model::observed::Observed;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::{ClusterName, ServerName};

/// How often it is looked while all is well, and while it is not. A look is two requests to the API
/// server, or one to a store and two to a KMS that may cost something.
const EVERY: SignedDuration = SignedDuration::from_secs(180);
const AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// How soon it is looked again whether anything is due.
const LOOK: Duration = Duration::from_secs(1);
/// How long one look may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the keys are, and whose.
pub(crate) struct Parts {
    pub(crate) cluster: ClusterName,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) encryption: Arc<dyn KeyEncryption>,
    pub(crate) random: Arc<dyn Random>,
    /// Only while one of these leads is it this program's to look.
    pub(crate) servers: BTreeSet<ServerName>,
    pub(crate) observed: watch::Receiver<Option<Observed>>,
}

/// The keeper.
pub(crate) struct CustodyKeeper {
    parts: Parts,
    looked: Option<Timestamp>,
    /// What they are; `None` until they were found.
    keys: Option<Header>,
    /// Why a server that ends now would stay sealed.
    lacks: Option<String>,
}

impl CustodyKeeper {
    /// Has not looked yet.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, looked: None, keys: None, lacks: None }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let pause = if self.lacks.is_some() { AGAIN } else { EVERY };
        self.looked.is_none_or(|looked| now.duration_since(looked).abs() >= pause)
    }

    /// What is wrong with the keys for good. A store or a KMS that is away for a while says nothing of
    /// them.
    async fn look(&mut self) -> Option<String> {
        let Self { parts: Parts { cluster, store, encryption, random, .. }, keys, .. } = self;
        let look = async {
            let loaded = match keys.as_ref() {
                Some(known) => stored::load_again(cluster, known, &**store, &**encryption).await,
                None => stored::load(cluster, &**store, &**encryption).await,
            };
            match loaded {
                Ok(loaded) => *keys = Some(loaded.header),
                Err(error) => return (!error.is_retryable()).then(|| error.to_string()),
            }
            // Also that the key that opens them stands where it is kept, and not in memory alone.
            let probed = probe::encryption(&**encryption, &**random).await.err()?;
            (!probed.is_retryable()).then(|| probed.to_string())
        };
        timeout(DEADLINE, look).await.unwrap_or_default()
    }
}

#[async_trait]
impl Keeper for CustodyKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        let leader = self.parts.observed.borrow().as_ref().and_then(Observed::leader).cloned();
        if !leader.is_some_and(|leader| self.parts.servers.contains(&leader)) {
            (self.looked, self.keys, self.lacks) = (None, None, None);
        } else if self.is_due(now) {
            let lacks = self.look().await;
            if let Some(lacks) = lacks.as_ref().filter(|_| lacks != self.lacks) {
                warn!("the keys: {lacks}");
            }
            (self.looked, self.lacks) = (Some(now), lacks);
        }
        let waiting =
            self.lacks.as_ref().map(|lacks| Waiting { reason: sentence(lacks), stuck: false });
        Round { did: None, waiting, next: LOOK }
    }
}

fn sentence(lacks: &str) -> String {
    format!(
        "the keys: {lacks}. The servers that run go on; one that ends stays sealed, so restart nothing \
         before they are brought back"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vaultyard_keys::encryption::local::LocalEncryption;
    use vaultyard_model::observed::{Health, Probe, ProcessSeen, ServerSeen, State};
    use vaultyard_testkit::fake_store::FakeStore;
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn led_by(ordinal: u8) -> Observed {
        let leader = ServerSeen {
            process: ProcessSeen::NotStarted,
            health: Ok(Health { state: State::Active, version: None }),
            raft: None,
            reached: true,
            last_end: None,
            free_bytes: None,
        };
        let name = ClusterName::new("vault").unwrap().server(ordinal);
        Observed {
            at: at(0),
            uptime: Duration::ZERO,
            servers: BTreeMap::from([(name, leader)]),
            peers: None,
            probe: Probe::NotTried,
            elections_won: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn keys_that_are_gone_are_told_by_who_looks_after_the_leader_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(FakeStore::default());
        let random = Arc::new(SeededRandom::new(1));
        let key = folder.path().join("key");
        let encryption = LocalEncryption::open_or_create(key, &*store, random.clone()).await;
        let (see, observed) = watch::channel(None);
        let cluster = ClusterName::new("vault").unwrap();
        let mut keeper = CustodyKeeper::new(Parts {
            servers: BTreeSet::from([cluster.server(1)]),
            cluster,
            store,
            encryption: Arc::new(encryption.unwrap()),
            random,
            observed,
        });
        assert_eq!(keeper.round(at(1)).await.waiting, None, "nobody leads");
        see.send_replace(Some(led_by(0)));
        assert_eq!(keeper.round(at(2)).await.waiting, None, "another looks");
        see.send_replace(Some(led_by(1)));
        let told = keeper.round(at(3)).await.waiting.unwrap();
        assert!(told.reason.contains("holds no keys"), "{}", told.reason);
        assert!(told.reason.contains("restart nothing"), "{}", told.reason);
        assert!(!keeper.is_due(at(7)) && keeper.is_due(at(8)), "looked at again soon");
    }
}
