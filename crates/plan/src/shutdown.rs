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

/// Whether a server that is about to end has a leadership to hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver<'a> {
    /// It does not lead: it may end at once.
    Nothing,
    /// This one can lead in its place at once.
    To(&'a ServerName),
    /// Not yet, and why: it must not end before there was another look.
    NotYet(&'static str),
}

/// What `server` has to hand over, and to whom: an unsealed, caught-up voter. Without one, nobody leads
/// for ten seconds after the leader's end, and perhaps never again.
pub fn hand_over<'a>(seen: &'a Observed, server: &ServerName, wanted: &Version) -> HandOver<'a> {
    let own = seen.servers.get(server);
    match own.map(|own| (own.state(), own.pid())) {
        Some((Some(State::Active), _)) => {}
        // On a busy machine a server that leads may answer late once.
        Some((None, Some(_))) => return HandOver::NotYet("it does not say whether it leads"),
        _ => return HandOver::Nothing,
    }
    if seen.leader() != Some(server) {
        return HandOver::NotYet("another one answers as the leader too");
    }
    let mut others = seen.servers.keys().filter(|other| *other != server);
    let successor = others.find(|other| {
        let lacks = shortfall::of(other, seen, wanted);
        seen.voter(other) == Some(true) && !lacks.iter().any(shortfall::Shortfall::bars_service)
    });
    successor.map_or(HandOver::NotYet("no other server could lead at once"), HandOver::To)
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
    use vaultyard_model::observed::ProcessSeen;

    use super::*;
    use crate::shortfall::tests::{healthy, name, version};

    fn names(order: &[Stop]) -> Vec<ServerName> {
        order.iter().map(|stop| stop.server.clone()).collect()
    }

    #[test]
    fn only_an_unsealed_caught_up_voter_can_take_over() {
        let mut seen = healthy();
        assert_eq!(hand_over(&seen, &name(0), &version()), HandOver::To(&name(1)));
        seen.servers.get_mut(&name(1)).unwrap().health = Err("silent".to_owned());
        assert_eq!(hand_over(&seen, &name(0), &version()), HandOver::To(&name(2)));
        let nobody = HandOver::NotYet("no other server could lead at once");
        seen.peers.as_mut().unwrap().iter_mut().for_each(|peer| peer.voter = false);
        assert_eq!(hand_over(&seen, &name(0), &version()), nobody);
        seen.peers = None;
        assert_eq!(hand_over(&seen, &name(0), &version()), nobody);
    }

    #[test]
    fn who_does_not_lead_has_nothing_to_hand_over_and_who_does_not_say_is_asked_again() {
        let mut seen = healthy();
        assert_eq!(hand_over(&seen, &name(1), &version()), HandOver::Nothing);
        seen.servers.get_mut(&name(0)).unwrap().health = Err("did not answer".to_owned());
        let late = HandOver::NotYet("it does not say whether it leads");
        assert_eq!(hand_over(&seen, &name(0), &version()), late);
        seen.servers.get_mut(&name(0)).unwrap().process = ProcessSeen::NotStarted;
        assert_eq!(hand_over(&seen, &name(0), &version()), HandOver::Nothing);
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
        let both = HandOver::NotYet("another one answers as the leader too");
        assert_eq!(hand_over(&seen, &name(0), &version()), both);
    }
}
