//! The rules that hold for every decision, whatever was seen. Whole histories are played in
//! `tests/initialising`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vaultyard_model::ClusterName;
use vaultyard_model::port::server::KeyKind;
use vaultyard_testkit::fixed::SeededRandom;

use super::*;
use crate::initialise::seen::{
    Absence, Answer, Given, LostAnswers, Membership, Memory, PeerSeen, Refused,
};
use crate::initialise::step::Wipe;
use crate::initialise::{LEAST_FREE_BYTES, MOST_LOOKS};
use crate::record::IntentId;

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

/// One of two generations, so that equal and different ones meet often.
fn generation() -> impl Strategy<Value = Generation> {
    (1..=2_u32).prop_map(|attempt| {
        let intent = IntentId::random(&SeededRandom::new(u64::from(attempt))).unwrap();
        Generation { attempt, intent }
    })
}

fn maybe() -> impl Strategy<Value = Option<Generation>> {
    prop::option::of(generation())
}

fn trouble() -> impl Strategy<Value = Trouble> {
    any::<bool>().prop_map(|passes| Trouble { passes, text: "trouble".to_owned() })
}

fn opened() -> impl Strategy<Value = Option<Result<Generation, Trouble>>> {
    prop::option::of(prop_oneof![generation().prop_map(Ok), trouble().prop_map(Err)])
}

fn own() -> impl Strategy<Value = Own> {
    prop_oneof![
        Just(Own::Absent(Absence::Silent("silent".to_owned()))),
        Just(Own::Absent(Absence::Odd("odd".to_owned()))),
        Just(Own::Uninitialised),
        (0..=3_u8).prop_map(|threshold| Own::Sealed { threshold }),
        Just(Own::Hangs("nothing within 2000 ms".to_owned())),
        Just(Own::Unsealed),
    ]
}

fn at() -> impl Strategy<Value = Timestamp> {
    (-20_i64..20).prop_map(|seconds| now() + SignedDuration::from_secs(seconds))
}

fn long_ago() -> impl Strategy<Value = Timestamp> {
    (-60_i64..0).prop_map(|seconds| now() + SignedDuration::from_secs(seconds))
}

prop_compose! {
    fn memory()(
        (encryption_probed, store_probed) in any::<(bool, bool)>(),
        proven in maybe(),
        lost in prop::option::of((at(), 1..8_u32)),
        recorded in maybe(),
        may_request in maybe(),
        wiped in maybe(),
        keys in maybe(),
        answer in prop::option::weighted(
            0.1,
            (generation(), prop::option::of(any::<bool>()), any::<bool>()),
        ),
        given in prop::option::of((generation(), at())),
        refused in prop::option::of((generation(), at(), 1..4_u32)),
        uninitialised_since in prop::option::of(long_ago()),
        keys_since in prop::option::of(long_ago()),
        told_to_join in prop::option::of(at()),
        unanswered in 0..4_u32,
        outside in (prop::option::of(long_ago()), prop::option::of(long_ago())),
    ) -> Memory {
        Memory {
            encryption_probed,
            store_probed,
            recorded,
            may_request,
            wiped,
            keys,
            // An answer is forgotten when it is proven.
            proven: proven.filter(|_| answer.is_none()),
            answer: answer.map(|(generation, kept, stored)| Answer { generation, kept, stored }),
            given: given.map(|(keys, at)| Given { keys, rekey: None, at, process: Some(1) }),
            lost: lost.map(|(at, times)| LostAnswers { at, times, why: "timed out".to_owned() }),
            refused: refused
                .map(|(keys, at, times)| Refused { keys, at, times, why: "wrong".to_owned() }),
            uninitialised_since,
            keys_since,
            told_to_join,
            tried: None,
            unanswered,
            member_looked: outside.0,
            outside_since: outside.1,
        }
    }
}

prop_compose! {
    fn seen()(
        ordinal in 0..2_u8,
        kind in prop::sample::select(vec![KeyKind::Unseal, KeyKind::Recovery]),
        own in own(),
        memory in memory(),
        volume in prop_oneof![
            9 => (maybe(), opened(), maybe()).prop_map(|(intent, answer, released)| {
                Ok(VolumeSeen { intent, answer, released })
            }),
            1 => trouble().prop_map(Err),
        ],
        store in prop_oneof![
            9 => (0..3_u32, prop::collection::vec(generation(), 0..3), opened())
                .prop_map(|(attempts, intents, keys)| Ok(StoreSeen { attempts, intents, keys })),
            1 => trouble().prop_map(Err),
        ],
        peers in prop::collection::vec(
            prop::sample::select(vec![
                PeerSeen::Silent,
                PeerSeen::Uninitialised,
                PeerSeen::Uninitialised,
                PeerSeen::Initialised,
            ]),
            2,
        ),
        leader in prop::option::of(Just("https://leader:8200".to_owned())),
        free in prop::sample::select(vec![0, LEAST_FREE_BYTES - 1, LEAST_FREE_BYTES]),
        membership in prop::option::of(any::<(bool, bool, bool)>()),
    ) -> Seen {
        let cluster = ClusterName::new("vault").unwrap();
        let others = (0..3).filter(|n| *n != ordinal).map(|n| cluster.server(n));
        let membership = membership.map(|(quorum_without, keys_proven_elsewhere, member)| {
            Membership { quorum_without, keys_proven_elsewhere, member }
        });
        Seen {
            server: cluster.server(ordinal),
            now: now(),
            kind,
            own,
            memory,
            volume: Some(volume),
            store: Some(store),
            peers: Some(others.zip(peers).collect::<BTreeMap<_, _>>()),
            leader: Some(leader),
            free: Some(Ok(free)),
            membership: Some(membership.ok_or("nobody answers".to_owned())),
        }
    }
}

fn nobody_else(seen: &Seen) -> bool {
    seen.peers.iter().flat_map(BTreeMap::values).all(|peer| *peer == PeerSeen::Uninitialised)
}

/// The keys that are in memory, or else in the store.
fn known(seen: &Seen) -> Option<Generation> {
    let in_store = || seen.store.clone()?.ok()?.keys?.ok();
    seen.memory.keys.clone().or_else(in_store)
}

/// Whether what was seen allows the step, by the invariants alone.
fn check(seen: &Seen, step: &Step) -> Result<(), TestCaseError> {
    let volume = || seen.volume.clone().unwrap().unwrap();
    match step {
        Step::Wipe(Wipe::LostAnswer(intent)) => {
            prop_assert!(seen.server.initialises());
            prop_assert_eq!(volume().intent, Some(intent.clone()));
            prop_assert_eq!(volume().released, None);
            prop_assert!(seen.store.clone().unwrap().unwrap().intents.contains(intent));
            prop_assert_ne!(seen.memory.may_request.as_ref(), Some(intent));
            prop_assert!(nobody_else(seen));
            // One with a seal of its own is open without anybody's doing.
            prop_assert!(seen.own != Own::Unsealed || seen.kind == KeyKind::Recovery);
            prop_assert_eq!(&seen.memory.answer, &None);
            prop_assert_eq!(&seen.memory.keys, &None);
            prop_assert!(
                !matches!(&volume().answer, Some(Err(_))),
                "an answer may be opened later"
            );
        }
        Step::Wipe(Wipe::TakenOut) => {
            prop_assert!(!seen.server.initialises());
            prop_assert_eq!(&seen.own, &Own::Unsealed);
            let of = seen.membership.clone().unwrap().unwrap();
            prop_assert!(of.quorum_without && of.keys_proven_elsewhere && !of.member);
            let since = seen.memory.outside_since.unwrap();
            prop_assert!(now().duration_since(since) >= SignedDuration::from_secs(10));
        }
        Step::Wipe(Wipe::ForeignData | Wipe::HalfJoined) | Step::RemovePeer(_) => {
            prop_assert!(!seen.server.initialises());
            // One with a seal of its own is replaced only when it cannot be opened with anything.
            prop_assert!(seen.kind == KeyKind::Unseal || seen.own == Own::Uninitialised);
            let of = seen.membership.clone().unwrap().unwrap();
            prop_assert!(of.quorum_without && of.keys_proven_elsewhere);
            prop_assert_eq!(of.member, matches!(step, Step::RemovePeer(_)));
            prop_assert!(seen.own != Own::Unsealed);
            let memory = &seen.memory;
            let refuses = memory.refused.as_ref().is_some_and(|refused| {
                refused.times >= 2 && Some(&refused.keys) == known(seen).as_ref()
            });
            let long = |since| now().duration_since(since) >= SignedDuration::from_secs(30);
            let half_joined =
                memory.unanswered >= 2 || memory.uninitialised_since.is_some_and(long);
            prop_assert!(refuses || half_joined);
        }
        Step::Request(intent) => {
            prop_assert!(seen.server.initialises());
            prop_assert_eq!(&seen.own, &Own::Uninitialised);
            prop_assert!(nobody_else(seen));
            prop_assert_eq!(volume().intent, Some(intent.clone()));
            prop_assert_eq!(volume().released, None);
            prop_assert_eq!(seen.memory.may_request.as_ref(), Some(intent));
            prop_assert_eq!(&seen.store.clone().unwrap().unwrap().keys, &None);
        }
        Step::RecordIntentInStore { attempt } => {
            prop_assert!(seen.server.initialises() && nobody_else(seen));
            prop_assert!(seen.memory.encryption_probed && seen.memory.store_probed);
            prop_assert_eq!(*attempt, seen.store.clone().unwrap().unwrap().attempts + 1);
            if let Some(LostAnswers { at, times: 4.., .. }) = &seen.memory.lost {
                prop_assert!(!seen.is_recent(*at, SignedDuration::from_secs(1)));
            }
        }
        Step::Release(keys) => prop_assert_eq!(seen.memory.proven.as_ref(), Some(keys)),
        Step::Unseal => {
            prop_assert_eq!(seen.kind, KeyKind::Unseal, "recovery keys unseal nothing");
            // The initialising server is unsealed only when its own intent was released.
            if seen.server.initialises() && volume().intent.is_some() {
                prop_assert!(volume().released.is_some());
            }
        }
        Step::ForgetAnswer => {
            prop_assert!(seen.memory.proven.is_some());
            prop_assert_eq!(&seen.memory.proven, &known(seen));
        }
        Step::DiscardIntent(intent) => {
            prop_assert_eq!(seen.memory.wiped.as_ref(), Some(intent));
            prop_assert_eq!(volume().released, None);
        }
        Step::Join { leader } => {
            prop_assert_eq!(&seen.own, &Own::Uninitialised);
            prop_assert_eq!(&seen.leader, &Some(Some(leader.clone())));
            // The one that initialises, and any with a seal of its own, joins only where there are
            // keys already.
            let first = seen.server.initialises() || seen.kind == KeyKind::Recovery;
            prop_assert!(!first || known(seen).is_some());
            let told = seen.memory.told_to_join;
            let recent = |at| seen.is_recent(at, SignedDuration::from_secs(5));
            prop_assert!(!told.is_some_and(recent));
        }
        Step::ProbeEncryption
        | Step::ProbeStore
        | Step::RecordIntentOnVolume(_)
        | Step::KeepAnswerOnVolume
        | Step::StoreKeys
        | Step::ProveKeys(_) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn every_step_is_allowed_by_what_was_seen(seen in seen()) {
        match decide(&seen) {
            Decision::Do(step) => check(&seen, &step)?,
            Decision::Look(look) => prop_assert!(false, "{look:?} was looked at"),
            Decision::Hold(_) | Decision::Rest => {}
        }
    }

    #[test]
    fn looking_at_what_is_asked_for_comes_to_the_same_decision(all in seen()) {
        let mut seen = Seen {
            volume: None,
            store: None,
            peers: None,
            leader: None,
            free: None,
            membership: None,
            ..all.clone()
        };
        let mut looks = 0;
        let decided = loop {
            match decide(&seen) {
                Decision::Look(Look::Volume) => seen.volume.clone_from(&all.volume),
                Decision::Look(Look::Store) => seen.store.clone_from(&all.store),
                Decision::Look(Look::Peers) => seen.peers.clone_from(&all.peers),
                Decision::Look(Look::Leader) => seen.leader.clone_from(&all.leader),
                Decision::Look(Look::Free) => seen.free.clone_from(&all.free),
                Decision::Look(Look::Membership) => seen.membership.clone_from(&all.membership),
                decided => break decided,
            }
            looks += 1;
            prop_assert!(looks <= MOST_LOOKS);
        };
        prop_assert_eq!(decided, decide(&all));
    }
}

/// A follower that should have joined long ago, with everything else as it should be.
fn half_joined(own: Own, unanswered: u32, seconds: i64) -> Seen {
    let server = ClusterName::new("vault").unwrap().server(1);
    let keys = Generation { attempt: 1, intent: IntentId::random(&SeededRandom::new(7)).unwrap() };
    Seen {
        server,
        now: now(),
        kind: KeyKind::Unseal,
        own,
        memory: Memory {
            keys: Some(keys),
            unanswered,
            uninitialised_since: Some(now() - SignedDuration::from_secs(seconds)),
            ..Memory::default()
        },
        volume: None,
        store: None,
        peers: Some([(ClusterName::new("vault").unwrap().server(0), PeerSeen::Initialised)].into()),
        leader: Some(None),
        free: None,
        membership: Some(Ok(Membership {
            quorum_without: true,
            keys_proven_elsewhere: true,
            member: true,
        })),
    }
}

#[test]
fn a_server_that_was_taken_out_of_raft_begins_anew_once_that_is_sure() {
    let mut seen = half_joined(Own::Unsealed, 0, 0);
    let ago = |seconds| Some(now() - SignedDuration::from_secs(seconds));
    seen.memory.member_looked = ago(9);
    seen.membership = None;
    assert_eq!(decide(&seen), Decision::Rest, "it is not looked all the time");
    seen.memory.member_looked = ago(10);
    assert_eq!(decide(&seen), Decision::Look(Look::Membership));
    let of = |member, quorum_without| {
        Some(Ok(Membership { quorum_without, keys_proven_elsewhere: true, member }))
    };
    for (membership, outside, expected) in [
        (of(true, true), ago(60), Decision::Rest),
        (of(false, true), ago(9), Decision::Rest),
        (of(false, true), ago(10), Decision::Do(Step::Wipe(Wipe::TakenOut))),
        (of(false, false), ago(60), Decision::Hold(Waiting::TakenOut.into())),
        (Some(Err("nobody answers".to_owned())), ago(60), Decision::Rest),
    ] {
        seen.membership = membership;
        seen.memory.outside_since = outside;
        assert_eq!(decide(&seen), expected);
    }
}

#[test]
fn a_follower_ended_in_the_middle_of_joining_is_replaced_once_the_others_live_without_it() {
    for stuck in [
        half_joined(Own::Uninitialised, 0, 30),
        half_joined(Own::Sealed { threshold: 3 }, 2, 0),
        half_joined(Own::Hangs("nothing within 2000 ms".to_owned()), 2, 0),
    ] {
        let server = stuck.server.clone();
        assert_eq!(decide(&stuck), Decision::Do(Step::RemovePeer(server)));
        let mut removed = stuck.clone();
        removed.membership.as_mut().unwrap().as_mut().unwrap().member = false;
        assert_eq!(decide(&removed), Decision::Do(Step::Wipe(Wipe::HalfJoined)));
        let mut alone = removed;
        alone.membership.as_mut().unwrap().as_mut().unwrap().quorum_without = false;
        assert!(!matches!(decide(&alone), Decision::Do(Step::Wipe(_) | Step::RemovePeer(_))));
    }
}

#[test]
fn a_follower_that_may_still_join_is_left_alone() {
    assert_eq!(
        decide(&half_joined(Own::Uninitialised, 0, 29)),
        Decision::Hold(Waiting::ToJoin.into())
    );
    let once = half_joined(Own::Sealed { threshold: 3 }, 1, 0);
    assert_eq!(decide(&once), Decision::Do(Step::Unseal));
    let hangs = half_joined(Own::Hangs("nothing".to_owned()), 1, 0);
    assert!(matches!(decide(&hangs), Decision::Hold(_)));
}

#[test]
fn recovery_keys_are_never_given_and_only_what_cannot_join_is_replaced() {
    let with_a_seal = |own, unanswered, seconds| Seen {
        kind: KeyKind::Recovery,
        ..half_joined(own, unanswered, seconds)
    };
    for threshold in [0, 3] {
        let sealed = with_a_seal(Own::Sealed { threshold }, 2, 0);
        assert_eq!(decide(&sealed), Decision::Hold(Waiting::Seal.into()));
    }
    let mut waits = with_a_seal(Own::Uninitialised, 0, 60);
    for (seconds, replaced) in [(29, false), (30, true)] {
        waits.memory.keys_since = Some(now() - SignedDuration::from_secs(seconds));
        let expected = if replaced {
            Decision::Do(Step::RemovePeer(waits.server.clone()))
        } else {
            Decision::Hold(Waiting::ToJoin.into())
        };
        assert_eq!(decide(&waits), expected, "{seconds}");
    }
    waits.membership.as_mut().unwrap().as_mut().unwrap().keys_proven_elsewhere = false;
    assert_eq!(decide(&waits), Decision::Hold(Waiting::ToJoin.into()));
    let hangs = with_a_seal(Own::Hangs("nothing".to_owned()), 2, 0);
    assert!(matches!(decide(&hangs), Decision::Hold(Reason::Waiting(Waiting::Server(_)))));
}

#[test]
fn a_server_with_a_seal_of_its_own_joins_only_when_the_keys_are_safe() {
    let mut joins = Seen { kind: KeyKind::Recovery, ..half_joined(Own::Uninitialised, 0, 0) };
    joins.leader = Some(Some("https://leader:8200".to_owned()));
    let keys = joins.memory.keys.take().unwrap();
    joins.store = Some(Ok(StoreSeen { attempts: 1, intents: vec![keys.clone()], keys: None }));
    assert_eq!(decide(&joins), Decision::Hold(Waiting::Keys.into()));
    let mut lost = joins.clone();
    lost.memory.uninitialised_since = Some(now() - SignedDuration::from_secs(30));
    let others = vec![ClusterName::new("vault").unwrap().server(0)];
    assert_eq!(decide(&lost), Decision::Hold(Stuck::PeerInitialised(others).into()));
    joins.store.as_mut().unwrap().as_mut().unwrap().keys = Some(Ok(keys));
    let step = Step::Join { leader: "https://leader:8200".to_owned() };
    assert_eq!(decide(&joins), Decision::Do(step));
}

#[test]
fn the_first_server_whose_data_was_lost_is_told_to_join_however_long_that_is_ago() {
    let mut joins = half_joined(Own::Uninitialised, 0, 90);
    joins.server = ClusterName::new("vault").unwrap().server(0);
    joins.volume = Some(Ok(VolumeSeen::default()));
    let keys = joins.memory.keys.clone();
    let intents = keys.iter().cloned().collect();
    joins.store = Some(Ok(StoreSeen { attempts: 1, intents, keys: keys.map(Ok) }));
    joins.leader = Some(Some("https://leader:8200".to_owned()));
    let step = Step::Join { leader: "https://leader:8200".to_owned() };
    assert_eq!(decide(&joins), Decision::Do(step));
}

#[test]
fn a_server_without_data_is_told_to_join_whoever_leads_and_not_again_at_once() {
    let mut joins = half_joined(Own::Uninitialised, 0, 0);
    joins.leader = Some(Some("https://leader:8200".to_owned()));
    let step = Step::Join { leader: "https://leader:8200".to_owned() };
    assert_eq!(decide(&joins), Decision::Do(step.clone()));
    joins.memory.keys = None;
    assert_eq!(decide(&joins), Decision::Do(step.clone()), "also before it knows the keys");
    for (seconds, again) in [(4, false), (5, true)] {
        joins.memory.told_to_join = Some(now() - SignedDuration::from_secs(seconds));
        let expected =
            if again { Decision::Do(step.clone()) } else { Decision::Hold(Waiting::ToJoin.into()) };
        assert_eq!(decide(&joins), expected);
    }
}

/// The initialising server, fresh, whose initialisation has failed so often so long ago.
fn failed(times: u32, seconds_ago: i64) -> Seen {
    let cluster = ClusterName::new("vault").unwrap();
    let at = now() - SignedDuration::from_secs(seconds_ago);
    Seen {
        server: cluster.server(0),
        now: now(),
        kind: KeyKind::Unseal,
        own: Own::Uninitialised,
        memory: Memory {
            encryption_probed: true,
            store_probed: true,
            lost: Some(LostAnswers { times, at, why: "answered 400: no".to_owned() }),
            ..Memory::default()
        },
        volume: Some(Ok(VolumeSeen::default())),
        store: Some(Ok(StoreSeen::default())),
        peers: Some([(cluster.server(1), PeerSeen::Uninitialised)].into()),
        leader: None,
        free: Some(Ok(LEAST_FREE_BYTES)),
        membership: None,
    }
}

#[test]
fn an_initialisation_that_has_failed_often_waits_twice_as_long_each_time_up_to_five_minutes() {
    let begins = |seen: &Seen| {
        matches!(decide(seen), Decision::Do(Step::RecordIntentInStore { attempt: 1 }))
    };
    for times in 1..=3 {
        assert!(begins(&failed(times, 0)), "{times}");
    }
    for (times, wait) in [(4, 1), (5, 2), (6, 4), (12, 256), (13, 300), (40, 300), (u32::MAX, 300)]
    {
        assert!(!begins(&failed(times, wait - 1)), "{times}");
        assert!(begins(&failed(times, wait)), "{times}");
    }
    let Decision::Hold(reason) = decide(&failed(5, 0)) else { panic!("it waits") };
    assert_eq!(
        reason.to_string(),
        "waiting: initialising has failed 5 times, and the server was wiped each time; the last \
         time it answered 400: no. It is tried again at 2026-09-21T14:13:22Z"
    );
}
