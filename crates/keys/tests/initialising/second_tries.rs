//! What failed, was lost or was replaced, and is tried again or brought back.

use std::sync::Arc;

use vaultyard_keys::fault::NoFaults;
use vaultyard_keys::initialise::reason::Stuck;
use vaultyard_keys::initialise::step::Step;
use vaultyard_model::port::custody::ObjectName;
use vaultyard_testkit::fake_cluster::Initialising;
use vaultyard_testkit::fake_store::Contents;

use crate::histories::store_of_another;
use crate::situations::{died_at, stuck_after, working};
use crate::world::{End, World};

#[tokio::test]
async fn a_lost_answer_permits_a_wipe_only_while_the_store_holds_its_very_intent() {
    for other in [Contents::nothing(), store_of_another("keys/request/before").await] {
        let mut world = died_at("keys/request/after", Initialising::GetsStuck).await;
        let own = world.store.contents();
        world.store.roll_back(other);
        assert!(matches!(stuck_after(&mut world).await, Stuck::IntentLost(_)));
        world.store.roll_back(own);
        assert_eq!(world.up().await.0, End::Works);
    }
}

#[tokio::test]
async fn an_initialisation_that_always_fails_is_tried_more_and_more_slowly_and_told() {
    let mut world = World::new();
    let mut process = world.process(Arc::new(NoFaults));
    for _ in 0..120 {
        world.cluster.next_initialisation(Initialising::GetsStuck);
        world.round(&mut process).await;
    }
    let wipes = world.cluster.wipes().len();
    assert!((7..12).contains(&wipes), "{wipes} wipes in a minute");
    let told = process.held[&0].to_string();
    assert!(told.contains("connection reset"), "the server's own words: {told}");
    world.cluster.next_initialisation(Initialising::Works);
    assert_eq!(world.settle(&mut process).await, Some(End::Works));
}

#[tokio::test]
async fn a_request_that_was_never_sent_is_sent_again_and_nothing_is_wiped() {
    let mut world = World::new();
    world.cluster.next_initialisation(Initialising::Unreachable);
    assert_eq!(world.up().await.0, End::Works);
    assert!(world.cluster.wipes().is_empty());
    assert_eq!(world.store.names(), [ObjectName::Intent(1), ObjectName::Keys(1)]);
}

#[tokio::test]
async fn an_intent_that_vanishes_on_its_way_to_the_volume_is_recorded_anew() {
    for other in [Contents::nothing(), store_of_another("keys/request/before").await] {
        let mut world = World::new();
        let mut process = world.process(Arc::new(NoFaults));
        while !matches!(process.did.last(), Some(Step::RecordIntentInStore { .. })) {
            world.round(&mut process).await;
        }
        world.store.roll_back(other);
        assert_eq!(world.settle(&mut process).await, Some(End::Works));
        let probes = process.did.iter().filter(|step| **step == Step::ProbeStore).count();
        assert_eq!(probes, 2, "a store that loses an object is probed anew");
    }
}

#[tokio::test]
async fn the_store_that_fits_is_used_as_soon_as_it_is_back() {
    let mut world = working().await;
    let own = world.store.contents();
    world.store.roll_back(store_of_another("keys/unseal/after").await);
    world.restart_all();
    let mut process = world.process(Arc::new(NoFaults));
    let stuck = world.settle(&mut process).await;
    assert!(matches!(stuck, Some(End::Stuck(Stuck::OtherGeneration { .. }))), "{stuck:?}");
    world.store.roll_back(own);
    for _ in 0..5 {
        world.round(&mut process).await;
    }
    assert!(world.works(), "{:?}", process.held);
    world.check();
}

#[tokio::test]
async fn a_process_that_outlives_its_cluster_takes_the_keys_of_the_next_one() {
    let mut world = World::new();
    let mut outlives = world.process(Arc::new(NoFaults));
    assert_eq!(world.settle(&mut outlives).await, Some(End::Works));
    for server in 0..3 {
        world.cluster.delete_data(server);
        world.volumes[usize::from(server)].lose();
    }
    world.store.roll_back(Contents::nothing());
    assert_eq!(world.up().await.0, End::Works);
    world.restart_all();
    assert_eq!(world.settle(&mut outlives).await, Some(End::Works));
}

#[tokio::test]
async fn only_a_member_that_is_active_now_proves_the_keys() {
    let mut world = working().await;
    world.cluster.plant_foreign_data(2);
    world.log_only(9);
    assert!(matches!(stuck_after(&mut world).await, Stuck::KeysRefused { .. }));
    world.log_only(1);
    assert_eq!(world.up().await.0, End::Works);
    world.check();
}

#[tokio::test]
async fn voters_of_no_name_here_count_for_the_majority() {
    let mut world = working().await;
    world.cluster.plant_foreign_data(2);
    world.strangers = 2;
    assert!(matches!(stuck_after(&mut world).await, Stuck::KeysRefused { .. }));
    world.strangers = 0;
    assert_eq!(world.up().await.0, End::Works);
}
