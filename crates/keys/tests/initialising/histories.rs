//! Random histories: whatever happens in whatever order, no key is lost, nothing is wiped that
//! must not be, and once the faults are over it works or says why not.

use std::sync::Arc;

use proptest::prelude::*;
use vaultyard_keys::fault::points;
use vaultyard_keys::initialise::step::Step;
use vaultyard_model::port::custody::{CustodyError, ObjectName};
use vaultyard_model::port::server::KeyKind;
use vaultyard_testkit::fake_cluster::Initialising;
use vaultyard_testkit::fake_store::{Contents, Lie};

use crate::world::{Deaths, End, SERVERS, World};

#[derive(Debug, Clone)]
enum Event {
    /// The process runs this many rounds, and dies at this point if it comes there.
    Run {
        rounds: usize,
        death: Option<String>,
    },
    /// The process dies; the servers too, or not.
    Restart {
        servers_die: bool,
    },
    Kill(u8),
    Revive(u8),
    NextInitialisation(Initialising),
    StoreFails(bool),
    EncryptionFails(bool),
    VolumeFails(bool),
    StoreLies(Option<Lie>),
    StoreVanishes,
    RememberStore,
    StoreGoesBack,
    /// Another cluster's store is there in place of this one's, up to this fault point.
    StoreOfAnother(&'static str),
    DeleteData(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let server = 0..SERVERS;
    let point = prop::sample::select(
        Step::ALL_NAMES.iter().flat_map(|step| points("keys", step)).collect::<Vec<_>>(),
    );
    let how = prop::sample::select(vec![
        Initialising::LosesAnswer,
        Initialising::GetsStuck,
        Initialising::RefusedButDone,
        Initialising::Unreachable,
    ]);
    let lie = prop::sample::select(vec![Lie::KeepsNothing, Lie::ReturnsOther, Lie::Overwrites]);
    prop_oneof![
        8 => (1..12_usize, prop::option::of(point))
            .prop_map(|(rounds, death)| Event::Run { rounds, death }),
        3 => any::<bool>().prop_map(|servers_die| Event::Restart { servers_die }),
        2 => server.clone().prop_map(Event::Kill),
        2 => server.clone().prop_map(Event::Revive),
        3 => how.prop_map(Event::NextInitialisation),
        1 => any::<bool>().prop_map(Event::StoreFails),
        1 => any::<bool>().prop_map(Event::EncryptionFails),
        1 => any::<bool>().prop_map(Event::VolumeFails),
        1 => prop::option::of(lie).prop_map(Event::StoreLies),
        1 => Just(Event::StoreVanishes),
        1 => Just(Event::RememberStore),
        1 => Just(Event::StoreGoesBack),
        1 => prop::sample::select(vec!["keys/request/before", "keys/unseal/after"])
            .prop_map(Event::StoreOfAnother),
        1 => server.prop_map(Event::DeleteData),
    ]
}

/// Whether what happened is more than a process, a server or a connection that fails.
fn is_disaster(event: &Event) -> bool {
    matches!(
        event,
        Event::StoreVanishes
            | Event::StoreGoesBack
            | Event::StoreOfAnother(_)
            | Event::StoreLies(Some(_))
            | Event::DeleteData(_)
    )
}

/// What another cluster's store holds when its process comes to this point.
pub(crate) async fn store_of_another(point: &str) -> Contents {
    let mut other = World::another();
    let mut process = other.process(Deaths::at(point));
    assert_eq!(other.settle(&mut process).await, None);
    other.store.contents()
}

async fn play(kind: KeyKind, events: Vec<Event>, process_lives_on: bool) {
    let mut world = World::of(kind);
    let mut process = world.process(Arc::new(Deaths::default()));
    let mut remembered = Contents::nothing();
    let failure = |fails: bool| fails.then(|| CustodyError::Retryable("no connection".to_owned()));
    let disaster = events.iter().any(is_disaster);
    for event in events {
        match event {
            Event::Run { rounds, death } => {
                if let Some(point) = death {
                    process = world.process(Deaths::at(&point));
                }
                for _ in 0..rounds {
                    if !world.round(&mut process).await {
                        process = world.process(Arc::new(Deaths::default()));
                    }
                    world.check();
                }
            }
            Event::Restart { servers_die } => {
                if servers_die {
                    world.restart_all();
                }
                process = world.process(Arc::new(Deaths::default()));
            }
            Event::Kill(server) => world.cluster.set_dead(server, true),
            Event::Revive(server) => world.cluster.set_dead(server, false),
            Event::NextInitialisation(how) => world.cluster.next_initialisation(how),
            Event::StoreFails(fails) => world.store.fail(failure(fails)),
            Event::EncryptionFails(fails) => world.encryption.fail(failure(fails)),
            Event::VolumeFails(fails) => world.volumes[0].refuse_writes(failure(fails)),
            Event::StoreLies(lie) => world.store.lie(lie),
            Event::StoreVanishes => world.store.roll_back(Contents::nothing()),
            Event::RememberStore => remembered = world.store.contents(),
            Event::StoreGoesBack => world.store.roll_back(remembered.clone()),
            Event::StoreOfAnother(until) => world.store.roll_back(store_of_another(until).await),
            Event::DeleteData(server) => world.cluster.delete_data(server),
        }
        world.check();
    }

    let in_use = !world.cluster.unsealed_ever().is_empty();
    if in_use && !disaster {
        let has_keys = world.store.names().iter().any(|name| matches!(name, ObjectName::Keys(_)));
        assert!(has_keys, "a cluster is in use and its keys are not in the store");
    }
    world.store.fail(None);
    world.store.lie(None);
    world.encryption.fail(None);
    world.volumes[0].refuse_writes(None);
    for server in 0..SERVERS {
        if !world.cluster.is_unsealed(server) {
            world.cluster.restart(server);
        }
    }
    let lived_on = if process_lives_on { world.settle(&mut process).await } else { None };
    let end = match lived_on {
        Some(end) => end,
        None => {
            process = world.process(Arc::new(Deaths::default()));
            world.settle(&mut process).await.unwrap()
        }
    };
    world.check();
    match end {
        End::Works => {}
        End::Stuck(stuck) => assert!(disaster, "stuck without a disaster: {stuck}"),
        End::Hangs(held) => panic!("neither works nor stuck: {held:?} after {:?}", process.did),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn every_history_ends_in_a_working_cluster_or_in_a_stated_reason(
        kind in prop::sample::select(vec![KeyKind::Unseal, KeyKind::Recovery]),
        events in prop::collection::vec(event(), 1..24),
        process_lives_on: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(kind, events, process_lives_on));
    }
}
