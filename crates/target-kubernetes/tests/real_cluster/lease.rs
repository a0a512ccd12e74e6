use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use vaultyard_model::port::clock::Clock;
use vaultyard_target_kubernetes::Reference;
use vaultyard_target_kubernetes::kind::LEASE;
use vaultyard_target_kubernetes::lease::{self, Election, Pulse};

use crate::place::{Place, WallClock, in_a_place, within};

struct Running {
    leads: watch::Receiver<bool>,
    hindrance: watch::Sender<Option<String>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(place: &Place, lease: &Reference, identity: &str) -> Self {
        let (candidate, hindrance) = place.candidate(identity);
        let clock = Arc::new(WallClock);
        let (election, leads) = Election::new(place.api.clone(), lease.clone(), candidate, clock);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(election.run(async {
            stopped.await.ok();
        }));
        Self { leads, hindrance, stop: Some(stop), task }
    }

    async fn leads(&mut self, limit: Duration) {
        within(limit, self.leads.wait_for(|leads| *leads)).await.unwrap();
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn one_leads_and_another_follows_in_order_and_after_a_crash() {
    in_a_place(async |place| {
        let lease = place.object(LEASE, "vault-cluster-controller");
        let mut first = Running::start(&place, &lease, "first");
        first.leads(Duration::from_secs(10)).await;
        let mut second = Running::start(&place, &lease, "second");
        let mut third = Running::start(&place, &lease, "third");

        // Whoever puts a label on it does not take it.
        place.put(&lease, json!({"metadata": {"labels": {"touched": "yes"}}})).await;
        let renewed = async || {
            let before = place.api.get(&lease).await.unwrap().unwrap();
            loop {
                let now = place.api.get(&lease).await.unwrap().unwrap();
                if now["spec"]["renewTime"] != before["spec"]["renewTime"] {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let now = within(Duration::from_secs(10), renewed()).await;
        assert_eq!(now["spec"]["holderIdentity"], "first");
        assert!(*first.leads.borrow() && !*second.leads.borrow() && !*third.leads.borrow());

        // Each sign of life says what hinders the leader.
        for why in [Some("no room"), None] {
            first.hindrance.send_replace(why.map(str::to_owned));
            let said = async { while lease::hindrance(&renewed().await) != why {} };
            within(Duration::from_secs(10), said).await;
        }

        let ordered = Instant::now();
        first.stop().await;
        let (mut leader, mut waiting) = tokio::select! {
            () = second.leads(Duration::from_secs(2)) => (second, third),
            () = third.leads(Duration::from_secs(2)) => (third, second),
        };
        let ordered = ordered.elapsed();
        assert!(*leader.leads.borrow_and_update() && !*waiting.leads.borrow());

        let crashed = Instant::now();
        leader.task.abort();
        waiting.leads(Duration::from_secs(15)).await;
        println!("handed over in {ordered:?} in order and {:?} after a crash", crashed.elapsed());
        let found = place.api.get(&lease).await.unwrap().unwrap();
        assert_eq!(found["spec"]["leaseTransitions"], 2);
        waiting.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_only_looks_sees_whether_anybody_leads() {
    in_a_place(async |place| {
        let lease = place.object(LEASE, "vault-cluster-controller");
        // To a clock that is ahead each sign of life is old, so it looks twice.
        let ahead = WallClock.now() + SignedDuration::from_hours(1);
        let look = async |now| lease::pulse(&place.api, &lease, now).await.unwrap();
        assert_eq!(look(ahead).await, Pulse::Still { since: None });

        let mut only = Running::start(&place, &lease, "only");
        only.leads(Duration::from_secs(10)).await;
        assert_eq!(look(WallClock.now()).await, Pulse::Beats);
        assert_eq!(look(ahead).await, Pulse::Beats);
        only.stop().await;
        let Pulse::Still { since: Some(since) } = look(ahead).await else { panic!("it beats") };
        assert!(since < ahead);
    })
    .await;
}
