//! In which order servers are stopped.

use vaultyard_model::ServerName;
use vaultyard_model::observed::Observed;

/// Standbys first, the highest ordinal first; the leader last, so that leadership does not move
/// on the way down.
pub fn order(seen: &Observed) -> Vec<ServerName> {
    let leader = seen.leader();
    let mut servers: Vec<&ServerName> = seen.servers.keys().rev().collect();
    servers.sort_by_key(|server| Some(*server) == leader);
    servers.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shortfall::tests::{healthy, name};
    use vaultyard_model::observed::State;

    #[test]
    fn the_leader_is_stopped_last() {
        assert_eq!(order(&healthy()), [name(2), name(1), name(0)]);
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
        assert_eq!(order(&seen), [name(2), name(0), name(1)]);
    }
}
