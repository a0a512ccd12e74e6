//! Every step: the process dies before and after it, the servers with it or not.

use std::collections::BTreeSet;
use std::sync::Arc;

use vaultyard_keys::fault::points;
use vaultyard_keys::initialise::step::Step;
use vaultyard_model::port::server::KeyKind;
use vaultyard_model::port::volume::Record;
use vaultyard_testkit::fake_cluster::Initialising;

use crate::world::{Deaths, End, World};

const ENDINGS: [Initialising; 5] = [
    Initialising::Works,
    Initialising::LosesAnswer,
    Initialising::GetsStuck,
    Initialising::RefusedButDone,
    Initialising::Unreachable,
];

fn all_points() -> Vec<String> {
    Step::ALL_NAMES.iter().flat_map(|step| points("keys", step)).collect()
}

/// Dies at each of `deaths` in turn, each in a process of its own, then runs to the end.
async fn walk(
    kind: KeyKind,
    deaths: &[&String],
    servers_die: bool,
    how: Initialising,
) -> BTreeSet<String> {
    let mut world = World::of(kind);
    world.cluster.next_initialisation(how);
    let mut reached = BTreeSet::new();
    for point in deaths {
        let faults = Deaths::at(point);
        let mut process = world.process(Arc::clone(&faults) as _);
        let end = world.settle(&mut process).await;
        assert!(matches!(end, None | Some(End::Works)), "{deaths:?} {how:?}: {end:?}");
        reached.append(&mut faults.reached.lock().unwrap());
        world.check();
        if servers_die {
            world.restart_all();
        }
    }
    let (end, process) = world.up().await;
    let told =
        format!("{kind:?}, {deaths:?}, servers die: {servers_die}, {how:?}: {:?}", process.did);
    assert_eq!(end, End::Works, "{told}");
    assert_eq!(world.cluster.unsealed_ever().iter().collect::<BTreeSet<_>>().len(), 1, "{told}");
    assert!(world.volumes[0].has(Record::Released), "{told}");
    world.check();
    // What is left behind serves the next start as well.
    world.restart_all();
    assert_eq!(world.up().await.0, End::Works, "{told}");
    assert!(!world.volumes[0].has(Record::Answer), "{told}");
    reached
}

#[tokio::test]
async fn a_death_before_or_after_any_step_ends_in_one_working_cluster() {
    // Only a server with foreign data is taken out of the raft configuration: see `situations`. One
    // with a seal of its own is never given keys.
    let never = [
        (KeyKind::Unseal, points("keys", "remove-peer").to_vec()),
        (KeyKind::Recovery, [points("keys", "unseal"), points("keys", "remove-peer")].concat()),
    ];
    for (kind, never) in never {
        let mut reached = BTreeSet::new();
        for point in &all_points() {
            for how in ENDINGS {
                for servers_die in [false, true] {
                    reached.append(&mut walk(kind, &[point], servers_die, how).await);
                }
            }
        }
        let missed: Vec<_> =
            all_points().into_iter().filter(|point| !reached.contains(point)).collect();
        assert_eq!(missed, never);
    }
}

#[tokio::test]
async fn two_deaths_anywhere_end_in_one_working_cluster() {
    let points = all_points();
    for kind in [KeyKind::Unseal, KeyKind::Recovery] {
        for first in &points {
            for second in &points {
                for servers_die in [false, true] {
                    for how in [Initialising::Works, Initialising::GetsStuck] {
                        walk(kind, &[first, second], servers_die, how).await;
                    }
                }
            }
        }
    }
}
