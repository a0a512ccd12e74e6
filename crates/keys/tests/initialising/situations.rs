//! Single situations: one good cluster, one change, one named outcome.

use std::sync::Arc;

use vaultyard_keys::fault::NoFaults;
use vaultyard_keys::initialise::LEAST_FREE_BYTES;
use vaultyard_keys::initialise::reason::{Reason, Stuck, Waiting};
use vaultyard_keys::initialise::step::Step;
use vaultyard_model::port::custody::{CustodyError, ObjectName};
use vaultyard_model::port::volume::Record;
use vaultyard_testkit::fake_cluster::Initialising;
use vaultyard_testkit::fake_store::{Contents, Lie};

use crate::world::{Deaths, End, World};

pub(crate) async fn working() -> World {
    let mut world = World::with_log();
    assert_eq!(world.up().await.0, End::Works);
    world
}

pub(crate) async fn stuck_after(world: &mut World) -> Stuck {
    let wipes = world.cluster.wipes().len();
    let (end, _) = world.up().await;
    world.check();
    assert_eq!(world.cluster.wipes().len(), wipes, "nothing may be wiped");
    match end {
        End::Stuck(stuck) => stuck,
        other => panic!("{other:?}"),
    }
}

/// Ends a process at `point` in a new world.
pub(crate) async fn died_at(point: &str, how: Initialising) -> World {
    let mut world = World::new();
    world.cluster.next_initialisation(how);
    let mut process = world.process(Deaths::at(point));
    assert_eq!(world.settle(&mut process).await, None);
    world
}

#[tokio::test]
async fn a_new_cluster_is_initialised_in_the_order_of_the_table() {
    let mut world = World::new();
    let (end, process) = world.up().await;
    assert_eq!(end, End::Works);
    let first: Vec<_> = process.did.iter().map(Step::name).take(11).collect();
    let steps = &Step::ALL_NAMES[..10];
    assert_eq!(first[..10], *steps);
    assert_eq!(world.store.names(), [ObjectName::Intent(1), ObjectName::Keys(1)]);
    assert!(world.cluster.wipes().is_empty());
}

#[tokio::test]
async fn a_restarted_cluster_is_only_unsealed() {
    let mut world = working().await;
    world.restart_all();
    let (end, process) = world.up().await;
    assert_eq!(end, End::Works);
    assert!(process.did.iter().all(|step| *step == Step::Unseal), "{:?}", process.did);
}

#[tokio::test]
async fn a_sealed_server_is_unsealed_again_without_store_and_encryption() {
    let mut world = World::new();
    let mut process = world.process(Arc::new(NoFaults));
    assert_eq!(world.settle(&mut process).await, Some(End::Works));
    world.store.roll_back(Contents::nothing());
    let gone = CustodyError::Retryable("no connection".to_owned());
    world.store.fail(Some(gone.clone()));
    world.encryption.fail(Some(gone));
    world.restart_all();
    assert_eq!(world.settle(&mut process).await, Some(End::Works));
}

#[tokio::test]
async fn a_store_that_was_lost_stops_everything_and_wipes_nothing() {
    for restart in [false, true] {
        let mut world = working().await;
        world.store.roll_back(Contents::nothing());
        if restart {
            world.restart_all();
        }
        assert!(matches!(stuck_after(&mut world).await, Stuck::StoreLost(_)));
    }
}

#[tokio::test]
async fn a_store_that_went_back_to_before_the_keys_wipes_nothing() {
    let mut world = died_at("keys/request/before", Initialising::Works).await;
    let early = world.store.contents();
    assert_eq!(world.up().await.0, End::Works);
    world.store.roll_back(early);
    world.restart_all();
    assert!(matches!(stuck_after(&mut world).await, Stuck::StoreLost(_)));
}

#[tokio::test]
async fn a_store_that_loses_the_keys_before_they_are_released_gets_them_again() {
    let mut world = died_at("keys/store-keys/after", Initialising::Works).await;
    world.store.roll_back(Contents::nothing());
    assert_eq!(world.up().await.0, End::Works);
    assert!(world.cluster.wipes().is_empty());
}

#[tokio::test]
async fn a_lying_store_is_found_out_before_anything_is_initialised() {
    for lie in [Lie::KeepsNothing, Lie::ReturnsOther, Lie::Overwrites] {
        let mut world = World::new();
        world.store.lie(Some(lie));
        assert!(matches!(stuck_after(&mut world).await, Stuck::Trouble(_)), "{lie:?}");
        assert_eq!(world.cluster.data(0), None, "{lie:?}");
    }
}

#[tokio::test]
async fn a_store_that_begins_to_lie_keeps_the_server_sealed_until_it_is_honest() {
    for lie in [Lie::KeepsNothing, Lie::ReturnsOther] {
        let mut world = died_at("keys/store-keys/before", Initialising::Works).await;
        world.store.lie(Some(lie));
        assert!(matches!(
            stuck_after(&mut world).await,
            Stuck::Trouble(_) | Stuck::KeysUnreadable(_)
        ));
        assert!(world.cluster.unsealed_ever().is_empty(), "{lie:?}");
        world.store.lie(None);
        assert_eq!(world.up().await.0, End::Works, "{lie:?}");
    }
}

#[tokio::test]
async fn keys_of_another_initialisation_in_the_store_are_never_taken_for_the_answer() {
    let mut other = World::seeded(8);
    assert_eq!(other.up().await.0, End::Works);
    let mut world = died_at("keys/store-keys/before", Initialising::Works).await;
    world.store.roll_back(other.store.contents());
    assert!(matches!(stuck_after(&mut world).await, Stuck::Trouble(_)));
    assert!(world.cluster.unsealed_ever().is_empty());
    assert!(world.volumes[0].has(Record::Answer), "the only copy of the keys");
}

#[tokio::test]
async fn damaged_keys_are_told_and_nothing_is_wiped() {
    let mut world = working().await;
    world.store.damage(&ObjectName::Keys(1), |bytes| bytes.truncate(100));
    world.restart_all();
    assert!(matches!(stuck_after(&mut world).await, Stuck::KeysUnreadable(_)));
}

#[tokio::test]
async fn a_damaged_record_is_told_and_nothing_is_wiped() {
    for record in [Record::Intent, Record::Released] {
        let mut world = working().await;
        world.volumes[0].damage(record, |bytes| bytes.truncate(10));
        world.restart_all();
        assert!(matches!(stuck_after(&mut world).await, Stuck::Trouble(_)), "{record:?}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_opened_is_kept() {
    let mut world = died_at("keys/store-keys/before", Initialising::Works).await;
    world.volumes[0].damage(Record::Answer, |bytes| bytes.truncate(100));
    assert!(matches!(stuck_after(&mut world).await, Stuck::AnswerUnreadable(_)));
    assert!(world.volumes[0].has(Record::Answer));
}

#[tokio::test]
async fn keys_reach_the_store_although_the_volume_takes_nothing() {
    let mut world = World::new();
    let mut process = world.process(Arc::new(NoFaults));
    while world.cluster.data(0).is_none() {
        world.round(&mut process).await;
    }
    world.volumes[0].refuse_writes(Some(CustodyError::Retryable("no space".to_owned())));
    assert!(!world.volumes[0].has(Record::Answer), "the only copy is in memory");
    for _ in 0..10 {
        world.round(&mut process).await;
    }
    assert!(world.store.names().contains(&ObjectName::Keys(1)));
    assert!(world.cluster.unsealed_ever().is_empty(), "not before it is released");
    world.volumes[0].refuse_writes(None);
    drop(process);
    assert_eq!(world.up().await.0, End::Works);
    assert!(world.cluster.wipes().is_empty());
}

#[tokio::test]
async fn nobody_is_initialised_while_another_server_is_silent() {
    let mut world = World::new();
    world.cluster.set_dead(2, true);
    let (_, process) = world.up().await;
    let silent = Waiting::Peers(vec![world.name.server(2)]);
    assert_eq!(process.held[&0], Reason::Waiting(silent));
    assert!(process.did.is_empty());
    world.cluster.set_dead(2, false);
    assert_eq!(world.up().await.0, End::Works);
}

#[tokio::test]
async fn nobody_is_wiped_while_another_server_is_silent() {
    let mut world = died_at("keys/request/after", Initialising::GetsStuck).await;
    world.cluster.set_dead(1, true);
    let (_, process) = world.up().await;
    assert!(matches!(process.held[&0], Reason::Waiting(Waiting::Peers(_))));
    assert!(world.cluster.wipes().is_empty());
}

#[tokio::test]
async fn nobody_is_initialised_or_wiped_while_another_server_is_initialised() {
    let mut world = World::new();
    world.cluster.plant_foreign_data(1);
    assert!(matches!(stuck_after(&mut world).await, Stuck::PeerInitialised(_)));
    let mut world = died_at("keys/request/after", Initialising::LosesAnswer).await;
    world.cluster.plant_foreign_data(2);
    assert!(matches!(
        stuck_after(&mut world).await,
        Stuck::PeerInitialised(_) | Stuck::KeysMissing
    ));
    assert!(world.cluster.wipes().is_empty());
}

#[tokio::test]
async fn a_server_that_somebody_else_has_initialised_is_left_alone() {
    let mut world = World::new();
    world.cluster.plant_foreign_data(0);
    assert_eq!(stuck_after(&mut world).await, Stuck::NotOurs);
}

#[tokio::test]
async fn without_room_nothing_is_initialised() {
    let mut world = World::new();
    world.cluster.set_free_bytes(0, LEAST_FREE_BYTES - 1);
    let (_, process) = world.up().await;
    assert!(matches!(process.held[&0], Reason::Waiting(Waiting::Room { .. })));
    assert_eq!(world.cluster.data(0), None);
}

#[tokio::test]
async fn a_server_whose_data_was_deleted_joins_and_never_initialises() {
    for ordinal in 0..3 {
        let mut world = working().await;
        world.cluster.delete_data(ordinal);
        let (end, process) = world.up().await;
        assert_eq!(end, End::Works);
        let joins = |step: &Step| matches!(step, Step::Join { .. } | Step::Unseal);
        assert!(process.did.iter().all(joins), "{:?}", process.did);
        world.check();
    }
}

#[tokio::test]
async fn when_all_data_is_lost_nothing_new_is_begun() {
    let mut world = working().await;
    for ordinal in 0..3 {
        world.cluster.delete_data(ordinal);
    }
    assert!(matches!(stuck_after(&mut world).await, Stuck::DataLost(_)));
    assert_eq!(world.store.names(), [ObjectName::Intent(1), ObjectName::Keys(1)]);
}

#[tokio::test]
async fn a_lost_volume_does_not_matter_while_the_keys_are_there() {
    let mut world = working().await;
    world.volumes[0].lose();
    world.restart_all();
    assert_eq!(world.up().await.0, End::Works);
    world.check();
    assert!(world.volumes[0].has(Record::Released), "the server may hold data");
}

#[tokio::test]
async fn a_server_with_foreign_data_is_replaced_once_the_cluster_lives_without_it() {
    let mut world = working().await;
    world.cluster.set_dead(2, true);
    world.cluster.plant_foreign_data(2);
    world.cluster.set_dead(2, false);
    let (end, process) = world.up().await;
    assert_eq!(end, End::Works, "{:?}", process.held);
    let names: Vec<_> = process.did.iter().map(Step::name).collect();
    assert_eq!(names, ["remove-peer", "wipe", "join", "unseal"]);
    world.check();
}

#[tokio::test]
async fn a_server_that_somebody_has_taken_out_of_raft_joins_anew() {
    let mut world = working().await;
    world.cluster.take_out(2);
    let mut process = world.process(Arc::new(NoFaults));
    for _ in 0..200 {
        assert!(world.round(&mut process).await);
    }
    let names: Vec<_> = process.did.iter().map(Step::name).collect();
    assert_eq!(names, ["wipe", "join", "unseal"]);
    assert!(world.works() && world.cluster.is_member(2));
}

#[tokio::test]
async fn a_server_with_foreign_data_stays_while_there_is_no_quorum_without_it() {
    let mut world = working().await;
    world.cluster.set_dead(1, true);
    world.cluster.plant_foreign_data(2);
    assert!(matches!(stuck_after(&mut world).await, Stuck::KeysRefused { .. }));
}

#[tokio::test]
async fn the_initialising_server_is_never_replaced() {
    let mut world = working().await;
    world.cluster.plant_foreign_data(0);
    assert!(matches!(stuck_after(&mut world).await, Stuck::KeysRefused { .. }));
}
