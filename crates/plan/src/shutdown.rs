//! In which order servers are stopped, and how.

use vaultyard_model::observed::{Observed, ServerSeen, State};
use vaultyard_model::port::host::Signal;
use vaultyard_model::{ServerName, Version};

use crate::shortfall;

/// One server to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Which.
    pub server: ServerName,
    /// How its process is ended.
    pub signal: Signal,
}

/// Standbys first, the highest ordinal first; the leader last, so that leadership does not move
/// on the way down.
pub fn order(seen: &Observed) -> Vec<Stop> {
    let leader = seen.leader();
    let mut servers: Vec<(&ServerName, &ServerSeen)> = seen.servers.iter().rev().collect();
    servers.sort_by_key(|(server, _)| Some(*server) == leader);
    let stop = |(server, seen): (&ServerName, &ServerSeen)| Stop {
        server: server.clone(),
        signal: signal(seen),
    };
    servers.into_iter().map(stop).collect()
}

/// Who could lead in place of `leader` at once: an unsealed, caught-up voter. Without one, nobody leads
/// for ten seconds after the leader's end, and perhaps never again.
pub fn successor<'a>(
    seen: &'a Observed,
    leader: &ServerName,
    wanted: &Version,
) -> Option<&'a ServerName> {
    seen.servers.keys().find(|server| {
        let lacks = shortfall::of(server, seen, wanted);
        *server != leader
            && seen.voter(server) == Some(true)
            && !lacks.iter().any(shortfall::Shortfall::bars_service)
    })
}

/// A server that is not unsealed has nothing to hand over, and one that is joining may hang when it
/// is asked to end.
fn signal(seen: &ServerSeen) -> Signal {
    match seen.state() {
        Some(State::Uninitialised | State::Sealed) => Signal::Kill,
        _ => Signal::Terminate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shortfall::tests::{healthy, name, version};

    fn names(order: &[Stop]) -> Vec<ServerName> {
        order.iter().map(|stop| stop.server.clone()).collect()
    }

    #[test]
    fn only_an_unsealed_caught_up_voter_can_take_over() {
        let mut seen = healthy();
        let next = |seen: &Observed| successor(seen, &name(0), &version()).cloned();
        assert_eq!(next(&seen), Some(name(1)));
        seen.servers.get_mut(&name(1)).unwrap().health = Err("silent".to_owned());
        assert_eq!(next(&seen), Some(name(2)));
        seen.peers.as_mut().unwrap().iter_mut().for_each(|peer| peer.voter = false);
        assert_eq!(next(&seen), None);
        seen.peers = None;
        assert_eq!(next(&seen), None);
    }

    #[test]
    fn the_leader_is_stopped_last() {
        let order = order(&healthy());
        assert_eq!(names(&order), [name(2), name(1), name(0)]);
        assert!(order.iter().all(|stop| stop.signal == Signal::Terminate));
    }

    #[test]
    fn a_server_that_may_be_joining_is_killed() {
        let mut seen = healthy();
        for (ordinal, state) in [(1, State::Uninitialised), (2, State::Sealed)] {
            seen.servers.get_mut(&name(ordinal)).unwrap().health.as_mut().unwrap().state = state;
        }
        let signals = order(&seen).into_iter().map(|stop| stop.signal);
        let expected = [Signal::Kill, Signal::Kill, Signal::Terminate];
        assert_eq!(signals.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn of_two_that_answer_as_the_leader_it_is_the_one_whose_address_most_servers_name() {
        let mut seen = healthy();
        for ordinal in [1, 2] {
            let raft = seen.servers.get_mut(&name(ordinal)).unwrap().raft.as_mut().unwrap();
            raft.leader_address = "https://127.0.0.12:8200".to_owned();
            raft.is_self = ordinal == 1;
        }
        let elected = seen.servers.get_mut(&name(1)).unwrap();
        elected.health.as_mut().unwrap().state = State::Active;
        assert_eq!(names(&order(&seen)), [name(2), name(0), name(1)]);
    }
}
