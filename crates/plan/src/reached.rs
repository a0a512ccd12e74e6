//! Whether its leader has reached a server since it was unsealed.
//!
//! A server that comes back tells from its disk which leader it knows and what it has applied. One that
//! no leader reaches tells the same: its address may have changed while the leader waits for an answer
//! from the former one, ten seconds long (hashicorp/raft's time to connect). It follows once it has applied
//! something that was committed after it came. Until then no other server may go.

use std::collections::BTreeMap;

use vaultyard_model::ServerName;
use vaultyard_model::observed::{Observed, ServerSeen, State};

/// What is known of each server whose process is here, over the rounds of observation.
#[derive(Debug, Clone, Default)]
pub struct Reached(BTreeMap<ServerName, Life>);

/// One process, from when it was seen unsealed.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    pid: u32,
    /// What the leader had committed when this one was first seen to follow it.
    floor: Option<u64>,
    reached: bool,
}

impl Reached {
    /// Writes into one more round whom its leader has reached.
    pub fn note(&mut self, seen: &mut Observed) {
        let raft = |seen: &ServerSeen| seen.raft.as_ref().map(|raft| raft.committed);
        let committed = seen.leader().and_then(|leader| seen.servers.get(leader)).and_then(raft);
        for (server, of_it) in &mut seen.servers {
            let Some(pid) = of_it.pid() else {
                self.0.remove(server);
                continue;
            };
            let before = self.0.get(server).filter(|life| life.pid == pid).copied();
            let mut life = before.unwrap_or(Life { pid, ..Life::default() });
            match of_it.state() {
                Some(State::Active) => life.reached = true,
                Some(State::Standby) => {
                    life.floor = life.floor.or(committed);
                    let applied = of_it.raft.as_ref().map(|raft| raft.applied);
                    life.reached |= life.floor.is_some_and(|floor| applied > Some(floor));
                }
                Some(State::Sealed | State::Uninitialised) => {
                    life = Life { pid, ..Life::default() }
                }
                None => {}
            }
            of_it.reached = life.reached;
            self.0.insert(server.clone(), life);
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::observed::ProcessSeen;

    use super::*;
    use crate::shortfall::tests::{healthy, name};

    /// How a round finds the third server: its state, what it has applied, what the leader has committed.
    type Found = (State, u64, u64);

    /// Whether it was reached, after each round.
    fn rounds(found: &[Found]) -> Vec<bool> {
        let mut reached = Reached::default();
        let round = |(state, applied, committed): &Found| {
            let mut seen = healthy();
            seen.servers.get_mut(&name(0)).unwrap().raft.as_mut().unwrap().committed = *committed;
            let of_it = seen.servers.get_mut(&name(2)).unwrap();
            of_it.health.as_mut().unwrap().state = *state;
            of_it.raft.as_mut().unwrap().applied = *applied;
            reached.note(&mut seen);
            seen.servers[&name(2)].reached
        };
        found.iter().map(round).collect()
    }

    #[test]
    fn a_server_is_reached_once_it_has_applied_what_was_committed_after_it_came() {
        let standby = |applied, committed| (State::Standby, applied, committed);
        assert_eq!(
            rounds(&[standby(70, 70), standby(70, 75), standby(75, 75)]),
            [false, false, true]
        );
        // It came behind, and has only caught up with what was there.
        assert_eq!(
            rounds(&[standby(60, 70), standby(70, 70), standby(71, 71)]),
            [false, false, true]
        );
    }

    #[test]
    fn it_stays_reached_until_it_is_sealed() {
        let found = [(State::Standby, 7, 7), (State::Standby, 8, 8), (State::Standby, 8, 20)];
        assert_eq!(rounds(&found), [false, true, true]);
        let found = [(State::Active, 7, 7), (State::Standby, 7, 7), (State::Sealed, 7, 7)];
        assert_eq!(rounds(&found), [true, true, false]);
    }

    #[test]
    fn another_process_begins_anew_and_one_elsewhere_is_taken_at_its_word() {
        let (mut reached, mut seen) = (Reached::default(), healthy());
        seen.servers.get_mut(&name(1)).unwrap().process = ProcessSeen::Elsewhere;
        for (pid, applied, expected) in [(7, 1_001, true), (8, 1_000, false), (8, 1_001, true)] {
            let of_it = seen.servers.get_mut(&name(2)).unwrap();
            of_it.process = ProcessSeen::Running { pid, since: seen.at };
            of_it.raft.as_mut().unwrap().applied = applied;
            reached.note(&mut seen);
            assert_eq!(seen.servers[&name(2)].reached, expected, "{pid}: {applied}");
            assert!(seen.servers[&name(1)].reached);
        }
    }
}
