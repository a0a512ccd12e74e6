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

    #[test]
    fn the_leader_is_stopped_last() {
        assert_eq!(order(&healthy()), [name(2), name(1), name(0)]);
    }
}
