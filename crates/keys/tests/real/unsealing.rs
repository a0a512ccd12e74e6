use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::timeout;
use vaultyard_keys::fault::{FaultHook, NoFaults};
use vaultyard_keys::initialise::Unsealer;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::State;
use vaultyard_model::port::server::Server;

use crate::servers::{LONG, RealHost, Servers};

/// Rounds of one unsealer until its server is unsealed and nothing is left to do.
pub(crate) async fn until_unsealed(unsealer: &mut Unsealer) -> Vec<&'static str> {
    let mut did = Vec::new();
    loop {
        let round = unsealer.round(Timestamp::now()).await;
        match (&round.did, &round.held) {
            (None, None) => return did,
            (Some(step), _) => did.push(step.name()),
            (None, Some(_)) => {}
        }
        tokio::time::sleep(round.next).await;
    }
}

/// All unsealers at the same time, as one process has them.
pub(crate) async fn until_all_unsealed(unsealers: &mut [Unsealer]) -> Vec<Vec<&'static str>> {
    let all = join_all(unsealers.iter_mut().map(until_unsealed));
    timeout(LONG, all).await.expect("the servers must be unsealed in time")
}

/// The steps without the one that a server does not need when it has found the leader by itself.
pub(crate) fn but_joining(did: &[&'static str]) -> Vec<&'static str> {
    did.iter().filter(|step| **step != "join").copied().collect()
}

async fn states(servers: &Servers) -> Vec<State> {
    let clients = servers.clients(Identity::Vaultyard);
    let mut states = Vec::new();
    for client in clients.values() {
        states.push(client.health().await.unwrap().state);
    }
    states.sort();
    states
}

#[tokio::test]
async fn three_servers_become_one_cluster_and_a_killed_one_comes_back() {
    let servers = Servers::start(3);
    let mut unsealers = servers.unsealers(Arc::new(NoFaults)).await;
    let begun = Instant::now();
    let did = until_all_unsealed(&mut unsealers).await;
    println!("cold: {:?}, {did:?}", begun.elapsed());
    assert_eq!(but_joining(&did[1]), ["unseal"]);
    assert_eq!(but_joining(&did[2]), ["unseal"]);
    assert_eq!(states(&servers).await, [State::Standby, State::Standby, State::Active]);

    let client = servers.client(2, Identity::Vaultyard);
    let mut took = Vec::new();
    for _ in 0..5 {
        servers.hosts[2].kill();
        let begun = Instant::now();
        servers.hosts[2].start();
        while !client.health().await.is_ok_and(|health| health.state == State::Standby) {
            let round = unsealers[2].round(Timestamp::now()).await;
            tokio::time::sleep(round.next.min(Duration::from_millis(10))).await;
            assert!(begun.elapsed() < LONG);
        }
        took.push(begun.elapsed());
    }
    println!("killed standby, start to 429: {took:?}");
}

/// Dies at a point, once.
struct DiesAt(Mutex<Option<&'static str>>);

struct Died;

impl FaultHook for DiesAt {
    fn reached(&self, point: &str) {
        let dies = self.0.lock().unwrap().take_if(|at| *at == point).is_some();
        if dies {
            resume_unwind(Box::new(Died));
        }
    }
}

#[tokio::test]
async fn a_server_whose_answer_was_lost_is_wiped_and_initialised_again() {
    for point in ["keys/request/after", "keys/keep-answer-on-volume/after", "keys/unseal/before"] {
        let servers = Servers::start(1);
        let faults = Arc::new(DiesAt(Mutex::new(Some(point))));
        let mut unsealers = servers.unsealers(faults).await;
        let died = AssertUnwindSafe(until_all_unsealed(&mut unsealers)).catch_unwind().await;
        assert!(died.is_err_and(|death| death.is::<Died>()), "{point}");
        drop(unsealers);

        let mut unsealers = servers.unsealers(Arc::new(NoFaults)).await;
        let did: BTreeSet<_> =
            until_all_unsealed(&mut unsealers).await.concat().into_iter().collect();
        assert_eq!(did.contains("wipe"), point == "keys/request/after", "{point}: {did:?}");
        assert!(did.contains("unseal"), "{point}: {did:?}");
        let client = servers.client(0, Identity::Vaultyard);
        let state = client.health().await.map(|health| health.state);
        assert!(state.is_ok_and(State::is_unsealed), "{point}");
    }
}

/// Kills the server a moment after it was asked to initialise itself, and starts it again.
struct KillsServer {
    host: Arc<RealHost>,
    once: Mutex<Option<Duration>>,
}

impl FaultHook for KillsServer {
    fn reached(&self, point: &str) {
        if point != "keys/request/before" {
            return;
        }
        if let Some(after) = self.once.lock().unwrap().take() {
            let host = Arc::clone(&self.host);
            std::thread::spawn(move || {
                std::thread::sleep(after);
                host.kill();
                host.start();
            });
        }
    }
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_initialises_is_wiped_and_initialised_again() {
    for after in [100, 400, 900] {
        let servers = Servers::start(1);
        let once = Mutex::new(Some(Duration::from_millis(after)));
        let faults = Arc::new(KillsServer { host: Arc::clone(&servers.hosts[0]), once });
        let mut unsealers = servers.unsealers(faults).await;
        let did = until_all_unsealed(&mut unsealers).await.concat();
        assert!(did.contains(&"wipe"), "killed after {after} ms: {did:?}");
        let state = servers.client(0, Identity::Vaultyard).health().await;
        assert!(state.is_ok_and(|health| health.state.is_unsealed()), "{after} ms: {did:?}");
    }
}
