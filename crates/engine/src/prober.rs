//! The authenticated read through the leader, and the raft configuration beside it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use vaultyard_model::ServerName;
use vaultyard_model::observed::{Observed, Peer, Probe, ServerSeen, State};
use vaultyard_model::port::server::{CallError, Operator};

/// Between two probes while all is well.
const CALM: Duration = Duration::from_secs(1);
/// While servers are still on their way to a vote, or nothing is known yet.
const BUSY: Duration = Duration::from_millis(100);
/// Between two writes while a server waits to be reached by its leader.
const ADVANCE: Duration = Duration::from_millis(200);
/// So many reads of the raft configuration may fail in a row before it counts as unknown.
const MISSES: u32 = 3;

/// What the prober found last.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// The raft configuration; `None` while nobody could be asked.
    pub peers: Option<Vec<Peer>>,
    /// The read.
    pub probe: Probe,
}

impl Default for Probed {
    fn default() -> Self {
        Self { peers: None, probe: Probe::NotTried }
    }
}

/// What is known of the leader that is being asked; another one begins anew.
struct Asked {
    leader: ServerName,
    /// When the first of the reads without an answer was given up, and how many there were.
    silence: Option<(Instant, u32)>,
    peers: Option<Vec<Peer>>,
    /// How often in a row it has not told its peers.
    misses: u32,
}

/// Probes for ever whoever leads by `observed`.
pub async fn probe(
    operator: Arc<dyn Operator>,
    mut observed: watch::Receiver<Option<Observed>>,
    probed: watch::Sender<Probed>,
) {
    let (mut asked, mut advanced): (Option<Asked>, Option<Instant>) = (None, None);
    loop {
        let (leader, waits) = match observed.borrow_and_update().as_ref() {
            Some(seen) => (seen.leader().cloned(), waits_to_be_reached(seen)),
            None => (None, false),
        };
        let same = asked.take().filter(|asked| Some(&asked.leader) == leader.as_ref());
        asked = same.or_else(|| leader.clone().map(Asked::first));
        let next = match &mut asked {
            None => Probed::default(),
            Some(asked) => asked.again(operator.as_ref()).await,
        };
        // Only what is committed from now on shows whom the leader reaches.
        if waits && leader.is_some() && advanced.is_none_or(|then| then.elapsed() >= ADVANCE) {
            advanced = Some(Instant::now());
            if let Err(error) = operator.advance().await {
                tracing::debug!("nothing could be written to see whom the leader reaches: {error}");
            }
        }
        let settled = !waits
            && matches!(next.probe, Probe::Read(_))
            && next.peers.as_ref().is_some_and(|peers| peers.iter().all(|peer| peer.voter));
        probed.send_replace(next);
        tokio::select! {
            () = tokio::time::sleep(if settled { CALM } else { BUSY }) => {}
            () = differs(&mut observed, leader.as_ref(), waits) => {}
        }
    }
}

impl Asked {
    /// Nothing is known of it yet.
    fn first(leader: ServerName) -> Self {
        Self { leader, silence: None, peers: None, misses: 0 }
    }

    /// Asks it once more.
    async fn again(&mut self, operator: &dyn Operator) -> Probed {
        let started = Instant::now();
        let result = operator.probe(&self.leader).await;
        let probe = self.judge(result, started.elapsed(), Instant::now());
        // A leader that does not answer a read will not answer this either.
        let peers = match probe {
            Probe::Silent { .. } => None,
            _ => operator.peers().await.ok(),
        };
        Probed { peers: self.remember(peers), probe }
    }

    /// What the result of a read says about the leader's life. Only no answer counts as silence.
    fn judge(&mut self, result: Result<(), CallError>, took: Duration, now: Instant) -> Probe {
        let before = self.silence.take();
        match result {
            Ok(()) => Probe::Read(took),
            Err(CallError::NoAnswer(_)) => {
                let (since, times) = before.map_or((now, 1), |(since, times)| (since, times + 1));
                self.silence = Some((since, times));
                Probe::Silent { leader: self.leader.clone(), lasted: now - since, times }
            }
            // It may have gone between being seen to lead and being asked; the next round tells.
            Err(CallError::Unreachable(_)) => Probe::NotTried,
            Err(error) => Probe::Answered(error.to_string()),
        }
    }

    /// The raft configuration as it was last told: one read that fails makes it no less true.
    fn remember(&mut self, told: Option<Vec<Peer>>) -> Option<Vec<Peer>> {
        if told.is_some() {
            (self.peers, self.misses) = (told, 0);
        } else {
            self.misses = self.misses.saturating_add(1);
            self.peers = self.peers.take().filter(|_| self.misses < MISSES);
        }
        self.peers.clone()
    }
}

/// Whether a standby is not known to be reached by its leader.
fn waits_to_be_reached(seen: &Observed) -> bool {
    let waits = |seen: &ServerSeen| seen.state() == Some(State::Standby) && !seen.reached;
    seen.servers.values().any(waits)
}

/// Returns when another one leads, or a server begins to wait.
async fn differs(
    observed: &mut watch::Receiver<Option<Observed>>,
    leader: Option<&ServerName>,
    waited: bool,
) {
    let other = |seen: &Option<Observed>| {
        seen.as_ref().and_then(Observed::leader) != leader
            || !waited && seen.as_ref().is_some_and(waits_to_be_reached)
    };
    if observed.wait_for(other).await.is_err() {
        // Nobody observes any more: the program ends, and this task with it.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaultyard_model::ClusterName;

    fn asked() -> Asked {
        Asked::first(ClusterName::new("vault").unwrap().server(0))
    }

    #[test]
    fn silence_is_counted_and_ended_by_any_answer() {
        let mut asked = asked();
        let leader = asked.leader.clone();
        let began = Instant::now();
        let mut judge = |result, second| {
            asked.judge(result, Duration::ZERO, began + Duration::from_secs(second))
        };
        let silent = || Err(CallError::NoAnswer("deadline".to_owned()));
        let lasting = |seconds, times| {
            let lasted = Duration::from_secs(seconds);
            Probe::Silent { leader: leader.clone(), lasted, times }
        };
        assert_eq!(judge(silent(), 5), lasting(0, 1));
        assert_eq!(judge(silent(), 9), lasting(4, 2));
        let refused = CallError::Refused { status: 500, errors: vec!["internal error".to_owned()] };
        let answered = judge(Err(refused), 11);
        assert_eq!(answered, Probe::Answered("answered 500: internal error".to_owned()));
        assert_eq!(judge(silent(), 12), lasting(0, 1));
    }

    #[test]
    fn a_raft_configuration_outlives_two_reads_that_fail_and_not_a_third() {
        let mut asked = asked();
        let peer = Peer { server: asked.leader.clone(), voter: true, leader: true };
        assert_eq!(asked.remember(None), None);
        let known = Some(vec![peer]);
        assert_eq!(asked.remember(known.clone()), known);
        assert_eq!(asked.remember(None), known);
        assert_eq!(asked.remember(None), known);
        assert_eq!(asked.remember(None), None);
    }
}
