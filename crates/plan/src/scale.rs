//! More servers, or fewer: one at a time, so that there is a majority at each instant, and voters become more
//! or fewer by one.
//!
//! The ones to go are those that the document does not ask for, the highest first; they go before anything
//! else changes, whatever has become of them. The ones to come do so when all that stand are what the document
//! says: one that joins in a newer version than theirs could lead in it, and on Kubernetes pods of before may keep
//! a zone for themselves.

use std::collections::BTreeSet;

use vaultyard_model::ServerName;
use vaultyard_model::observed::{Observed, ServerSeen, State};

use crate::rollout::{Held, Next, Wanted, lame, settled, sound};
use crate::shutdown::{HandOver, hand_over};

/// What must happen now because servers stand that are not wanted; `None` when there are none.
pub(crate) fn fewer<'a>(seen: &'a Observed, wanted: Wanted<'_>) -> Option<Next<'a>> {
    let unwanted = |server: &&ServerName| !wanted.servers.contains(*server);
    let last = seen.servers.keys().rfind(unwanted);
    // Somebody who is not there any more may be a member all the same: autopilot takes one back in that was taken
    // out while it was about to get its vote.
    let left_over = || {
        let members = seen.peers.iter().flatten().map(|peer| &peer.server);
        members.filter(unwanted).find(|server| !seen.servers.contains_key(*server))
    };
    let last = last.or_else(left_over)?;
    let lame = lame(seen, wanted);
    let well = seen.servers.len() - lame.len();
    let (goes_lame, stays_lame): (Vec<_>, Vec<_>) =
        lame.into_iter().partition(|(server, _)| unwanted(server));
    if let Err(held) = sound(seen, stays_lame) {
        return Some(Next::Held(held));
    }
    let leads = |server: &&ServerName| {
        seen.servers.get(*server).and_then(ServerSeen::state) == Some(State::Active)
    };
    if seen.servers.keys().filter(leads).count() > 1 {
        return Some(Next::Held(Held::TwoLeaders));
    }
    // It begins anew and follows another one; then it can go.
    if let Some(server) = seen.servers.keys().filter(unwanted).find(leads) {
        return Some(match hand_over(seen, server, wanted.version) {
            HandOver::NotYet(why) => Next::Held(Held::NoSuccessor(why)),
            HandOver::Nothing | HandOver::To(_) => Next::Replace { server, leads: true },
        });
    }
    let is_well = |server| goes_lame.iter().all(|(lame, _)| *lame != server);
    let left = well - usize::from(seen.servers.contains_key(last) && is_well(last));
    let majority = |of: usize, all: usize| of > all / 2;
    let all = members(seen);
    let enough = majority(well, all) && majority(left, all - 1);
    Some(if enough { Next::Remove { server: last } } else { Next::Held(Held::NoMajority) })
}

/// The same as `next`, but for a server that is wanted and does not stand, when it is its turn.
pub(crate) fn more<'a>(seen: &'a Observed, wanted: Wanted<'_>, next: Next<'a>) -> Next<'a> {
    let Some(server) = missing(seen, wanted.servers) else { return next };
    match (settled(seen, wanted.version), next) {
        (Ok(()), Next::Done) => Next::Add { server },
        (Err(held), Next::Done) => Next::Held(held),
        (_, next) => next,
    }
}

/// How many vote, or will: those that stand, and those that only raft still knows.
fn members(seen: &Observed) -> usize {
    let members = seen.peers.iter().flatten().map(|peer| &peer.server);
    seen.servers.len() + members.filter(|it| !seen.servers.contains_key(*it)).count()
}

fn missing(seen: &Observed, wanted: &BTreeSet<ServerName>) -> Option<ServerName> {
    wanted.iter().find(|server| !seen.servers.contains_key(*server)).cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use vaultyard_model::observed::ProcessSeen;
    use vaultyard_model::port::rollout::Stale;

    use super::*;
    use crate::rollout::next;
    use crate::shortfall::tests::{cluster, name, version};

    type Of = BTreeMap<ServerName, Stale>;

    fn names(servers: u8) -> BTreeSet<ServerName> {
        (0..servers).map(name).collect()
    }

    /// What comes next on the way to so many servers.
    fn step(seen: &Observed, servers: u8, stale: &Of) -> String {
        let (version, servers) = (version(), names(servers));
        let wanted =
            Wanted { version: &version, servers: &servers, stale, snapshot: true, hindrance: None };
        match next(seen, wanted) {
            Next::Done => "done".to_owned(),
            Next::Snapshot => "snapshot".to_owned(),
            Next::Replace { server, leads } => {
                format!("replace {server}{}", if leads { "*" } else { "" })
            }
            Next::Add { server } => format!("add {server}"),
            Next::Remove { server } => format!("remove {server}"),
            Next::Held(held) => held.to_string(),
        }
    }

    fn leads(seen: &mut Observed, leader: u8) {
        for (ordinal, server) in (0..).zip(seen.servers.values_mut()) {
            let leads = ordinal == leader;
            let state = if leads { State::Active } else { State::Standby };
            server.health.as_mut().unwrap().state = state;
            server.raft.as_mut().unwrap().is_self = leads;
        }
    }

    fn gone(seen: &mut Observed, ordinal: u8) {
        let server = seen.servers.get_mut(&name(ordinal)).unwrap();
        server.process = ProcessSeen::NotStarted;
        server.health = Err("did not answer".to_owned());
    }

    #[test]
    fn servers_come_one_after_another_each_when_the_one_before_votes() {
        let none = Of::new();
        assert_eq!(step(&cluster(3), 5, &none), "add vault-3");
        let mut seen = cluster(4);
        seen.peers.as_mut().unwrap()[3].voter = false;
        assert_eq!(step(&seen, 5, &none), "vault-3: it has no vote in raft yet");
        assert_eq!(step(&cluster(4), 5, &none), "add vault-4");
        assert_eq!(step(&cluster(5), 5, &none), "done");
        assert_eq!(step(&cluster(1), 3, &none), "add vault-1");
    }

    #[test]
    fn what_stands_becomes_what_the_document_says_before_there_are_more() {
        for stale in [Stale::Version, Stale::Configuration] {
            assert_eq!(step(&cluster(3), 5, &[(name(2), stale)].into()), "replace vault-2");
        }
        // One that does not run is no reason to have more of them.
        let mut seen = cluster(3);
        gone(&mut seen, 1);
        assert_eq!(step(&seen, 5, &Of::new()), "vault-1: its process has not been started yet");
    }

    #[test]
    fn the_highest_goes_first_and_one_that_leads_hands_over_before_any_goes() {
        let none = Of::new();
        let mut seen = cluster(5);
        assert_eq!(step(&seen, 3, &none), "remove vault-4");
        leads(&mut seen, 3);
        assert_eq!(step(&seen, 3, &none), "replace vault-3*");
        assert_eq!(step(&cluster(4), 3, &none), "remove vault-3");
        assert_eq!(step(&cluster(2), 1, &none), "remove vault-1");
    }

    #[test]
    fn what_only_raft_still_knows_goes_too() {
        let mut seen = cluster(4);
        seen.servers.remove(&name(3));
        assert_eq!(step(&seen, 3, &Of::new()), "remove vault-3");
        assert_eq!(step(&seen, 5, &Of::new()), "add vault-3");
        gone(&mut seen, 2);
        assert_eq!(step(&seen, 3, &Of::new()), "vault-2: its process has not been started yet");
    }

    #[test]
    fn those_that_go_may_be_dead_and_those_that_stay_may_not() {
        let none = Of::new();
        let mut seen = cluster(5);
        gone(&mut seen, 3);
        gone(&mut seen, 4);
        assert_eq!(step(&seen, 3, &none), "remove vault-4");
        let mut seen = cluster(5);
        gone(&mut seen, 1);
        assert_eq!(step(&seen, 3, &none), "vault-1: its process has not been started yet");
        let mut seen = cluster(2);
        gone(&mut seen, 1);
        let held = "too few servers are as they should be for one to be taken out of raft";
        assert_eq!(step(&seen, 1, &none), held);
    }

    proptest! {
        #[test]
        fn a_majority_of_raft_is_well_before_and_after_one_goes(
            servers in 2u8..=9,
            left in 1u8..9,
            dead in proptest::collection::btree_set(0u8..9, 0..6),
            leader in 0u8..9,
        ) {
            let mut seen = cluster(servers);
            leads(&mut seen, leader % servers);
            let dead: BTreeSet<u8> = dead.into_iter().filter(|it| *it < servers).collect();
            dead.iter().for_each(|ordinal| gone(&mut seen, *ordinal));
            let (version, wanted, none) = (version(), names(left), Of::new());
            let next = next(&seen, Wanted {
                version: &version,
                servers: &wanted,
                stale: &none,
                snapshot: true,
                hindrance: None,
            });
            let Next::Remove { server } = next else { return Ok(()) };
            prop_assert!(!wanted.contains(server));
            prop_assert!(seen.leader() != Some(server));
            let alive = usize::from(servers) - dead.len();
            prop_assert!(alive > usize::from(servers) / 2);
            let rest = alive - usize::from(!dead.contains(&server.ordinal()));
            prop_assert!(rest > usize::from(servers - 1) / 2);
        }

        #[test]
        fn every_number_leads_to_every_other(
            from in 1u8..=9,
            to in 1u8..=9,
            leaders in proptest::collection::vec(0u8..9, 40),
        ) {
            let (mut standing, none) = (from, Of::new());
            for leader in leaders.into_iter().chain(std::iter::repeat_n(0, 20)) {
                let mut seen = cluster(standing);
                leads(&mut seen, leader % standing);
                match step(&seen, to, &none).split(' ').next() {
                    Some("add") => standing += 1,
                    Some("remove") => standing -= 1,
                    Some("replace") => {}
                    Some("done") => break,
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                }
            }
            prop_assert_eq!(standing, to);
        }
    }
}
