//! The authenticated read through the leader, and the raft configuration beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use vaultyard_model::ServerName;
use vaultyard_model::observed::{Observed, Peer, Probe};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::server::{CallError, Operator};

/// Between two probes while all is well.
const CALM: Duration = Duration::from_secs(1);
/// While servers are still on their way to a vote, or nothing is known yet.
const BUSY: Duration = Duration::from_millis(100);

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

/// Probes for ever whoever leads by `observed`.
pub async fn probe(
    operator: Arc<dyn Operator>,
    mut observed: watch::Receiver<Option<Observed>>,
    probed: watch::Sender<Probed>,
    clock: Arc<dyn Clock>,
) {
    loop {
        let leader = observed.borrow_and_update().as_ref().and_then(Observed::leader).cloned();
        let next = match &leader {
            None => Probed::default(),
            Some(leader) => {
                let before = probed.borrow().probe.clone();
                ask(operator.as_ref(), leader, &before, clock.as_ref()).await
            }
        };
        let settled = matches!(next.probe, Probe::Read(_))
            && next.peers.as_ref().is_some_and(|peers| peers.iter().all(|peer| peer.voter));
        probed.send_replace(next);
        tokio::select! {
            () = tokio::time::sleep(if settled { CALM } else { BUSY }) => {}
            () = leader_changes(&mut observed, leader.as_ref()) => {}
        }
    }
}

async fn ask(
    operator: &dyn Operator,
    leader: &ServerName,
    before: &Probe,
    clock: &dyn Clock,
) -> Probed {
    let started = Instant::now();
    let result = operator.probe(leader).await;
    let probe = judge(result, started.elapsed(), leader, before, clock.now());
    // A leader that does not answer a read will not answer this either.
    let peers = match probe {
        Probe::Silent { .. } => None,
        _ => operator.peers().await.ok(),
    };
    Probed { peers, probe }
}

/// What the result of a read says about the leader's life. Only no answer counts as silence.
fn judge(
    result: Result<(), CallError>,
    took: Duration,
    leader: &ServerName,
    before: &Probe,
    now: Timestamp,
) -> Probe {
    match result {
        Ok(()) => Probe::Read(took),
        Err(CallError::NoAnswer(_)) => match before {
            Probe::Silent { leader: same, since, times } if same == leader => {
                Probe::Silent { leader: leader.clone(), since: *since, times: times + 1 }
            }
            _ => Probe::Silent { leader: leader.clone(), since: now, times: 1 },
        },
        // It may have gone between being seen to lead and being asked; the next round tells.
        Err(CallError::Unreachable(_)) => Probe::NotTried,
        Err(error) => Probe::Answered(error.to_string()),
    }
}

async fn leader_changes(
    observed: &mut watch::Receiver<Option<Observed>>,
    leader: Option<&ServerName>,
) {
    let other = |seen: &Option<Observed>| seen.as_ref().and_then(Observed::leader) != leader;
    if observed.wait_for(other).await.is_err() {
        // Nobody observes any more: the program ends, and this task with it.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaultyard_model::ClusterName;

    #[test]
    fn silence_is_counted_for_one_leader_and_ended_by_any_answer() {
        let cluster = ClusterName::new("vault").unwrap();
        let (first, second) = (cluster.server(0), cluster.server(1));
        let at = |second| Timestamp::from_second(second).unwrap();
        let silent = || Err(CallError::NoAnswer("deadline".to_owned()));
        let took = Duration::ZERO;

        let one = judge(silent(), took, &first, &Probe::NotTried, at(5));
        assert_eq!(one, Probe::Silent { leader: first.clone(), since: at(5), times: 1 });
        let two = judge(silent(), took, &first, &one, at(9));
        assert_eq!(two, Probe::Silent { leader: first.clone(), since: at(5), times: 2 });
        let other = judge(silent(), took, &second, &two, at(10));
        assert_eq!(other, Probe::Silent { leader: second, since: at(10), times: 1 });
        let refused = CallError::Refused { status: 500, errors: vec!["internal error".to_owned()] };
        let answered = judge(Err(refused), took, &first, &two, at(11));
        assert_eq!(answered, Probe::Answered("answered 500: internal error".to_owned()));
    }
}
