//! A server is taken out of raft for good.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;
use vaultyard_model::port::server::Operator;
use vaultyard_model::{ServerName, chain};

/// For how long it must be seen to stay out. Autopilot looks once a second whom it has heard of and does not know.
const SETTLES: Duration = Duration::from_millis(2500);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Returns when the server, whose process has been ended, is no member and stays none.
///
/// The leader's autopilot takes a server in again that it hears of, and gives it a vote seconds later: one that is
/// taken out must be ended in the same moment, and what it has said last may have been heard after all. A dead one
/// that votes could cost the majority, so nothing of it may be removed before.
pub async fn stays_out(server: &ServerName, operator: &dyn Operator) {
    let mut out_since: Option<Instant> = None;
    loop {
        match operator.peers().await {
            Ok(peers) if peers.iter().any(|peer| peer.server == *server) => {
                out_since = None;
                if let Err(error) = operator.remove_peer(server).await {
                    warn!(%server, "it cannot be taken out of raft: {}", chain(&error));
                }
            }
            Ok(_) if out_since.get_or_insert_with(Instant::now).elapsed() >= SETTLES => return,
            Ok(_) => {}
            Err(error) => {
                warn!(%server, "nobody says whether it is a member: {}", chain(&error));
            }
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::sync::Mutex;

    use async_trait::async_trait;
    use vaultyard_model::observed::Peer;
    use vaultyard_model::port::server::CallError;
    use vaultyard_testkit::sample;

    use super::*;

    /// Is asked for its members, and tells one list after another, the last one again and again.
    struct Raft {
        lists: Mutex<VecDeque<Result<Vec<Peer>, CallError>>>,
        removed: Mutex<u32>,
    }

    #[async_trait]
    impl Operator for Raft {
        async fn peers(&self) -> Result<Vec<Peer>, CallError> {
            let mut lists = self.lists.lock().unwrap();
            let more = lists.len() > 1;
            let list = if more { lists.pop_front() } else { None };
            list.unwrap_or_else(|| Ok(lists[0].as_ref().unwrap().clone()))
        }

        async fn probe(&self, _: &ServerName) -> Result<(), CallError> {
            Ok(())
        }

        async fn advance(&self) -> Result<(), CallError> {
            Ok(())
        }

        async fn read_own(&self, _: &str) -> Result<Option<BTreeMap<String, String>>, CallError> {
            Ok(None)
        }

        async fn remove_peer(&self, _: &ServerName) -> Result<(), CallError> {
            *self.removed.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_taken_in_again_is_taken_out_again_until_it_stays_out() {
        let all = sample::observed(3).peers.unwrap();
        let server = all[2].server.clone();
        let without = || Ok(all[..2].to_vec());
        let silent = Err(CallError::Unreachable("connection refused".to_owned()));
        let lists = [without(), Ok(all.clone()), silent, Ok(all.clone()), without()];
        let raft = Raft { lists: Mutex::new(lists.into()), removed: Mutex::new(0) };
        let began = Instant::now();
        stays_out(&server, &raft).await;
        assert_eq!(*raft.removed.lock().unwrap(), 2);
        assert!(began.elapsed() >= SETTLES, "{:?}", began.elapsed());
    }
}
