//! 128 readers and 4 writers of one key: what kills a server that gets them all at once.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vaultyard_e2e::{Access, Client};

use crate::bare::{Bare, COUNT, is_done};
use crate::closed_loop::{self, Plan};
use crate::front::{self, Setup, Vaultyard};
use crate::report::{Report, Row};
use crate::{Effort, runtime};

/// What the load is.
pub(crate) const READERS: u32 = 128;
const WRITERS: usize = 4;
pub(crate) const LASTS: Duration = Duration::from_secs(10);
/// A write that has no answer by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);
const KEY: &str = "secret/data/hot";

/// What became of the load.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) reads: f64,
    pub(crate) reads_failed: f64,
    pub(crate) written: u32,
    pub(crate) writes_failed: u32,
}

pub(crate) fn run(effort: Effort) -> Report {
    let rounds = effort.of(3, 1);
    let ours: Vec<_> = (0..rounds).map(|_| one(true)).collect();
    let theirs: Vec<_> = (0..rounds).map(|_| one(false)).collect();
    let alive = |all: &[(Outcome, bool)]| all.iter().filter(|(_, alive)| *alive).count();
    let failed = |all: &[(Outcome, bool)]| all.iter().map(|(it, _)| it.writes_failed).sum::<u32>();
    let say = |all: &[(Outcome, bool)]| {
        let written: u32 = all.iter().map(|(it, _)| it.written).sum();
        let reads: f64 = all.iter().map(|(it, _)| it.reads - it.reads_failed).sum();
        format!(
            "alive in {} of {}; {} of {} writes failed; {reads:.0} reads done",
            alive(all),
            all.len(),
            failed(all),
            failed(all) + written
        )
    };
    let met = alive(&ours) == ours.len() && failed(&ours) == 0;
    Report {
        against: "HAProxy without maxconn",
        rows: vec![
            Row::new("the server after it, and the writes", say(&ours), say(&theirs))
                .goal("alive, 0 failed writes", met),
        ],
        notes: vec![format!(
            "{READERS} readers and {WRITERS} writers of one key for {} s, {rounds} times each on a \
             new cluster. Alive: a write straight to the leader is done within {} s afterwards. A \
             server that is not alive still answers health with 200.",
            LASTS.as_secs(),
            PATIENCE.as_secs()
        )],
    }
}

/// The load, and whether the server still works after it.
fn one(with_vaultyard: bool) -> (Outcome, bool) {
    let bare = Bare::up();
    let servers: Vec<Ipv4Addr> = (0..COUNT).map(|ordinal| bare.server_address(ordinal)).collect();
    let address = bare.address(0);
    let (mut ours, mut theirs) = (None, None);
    if with_vaultyard {
        ours = Some(Vaultyard::start(&bare, address, &servers));
    } else {
        theirs = Some(front::haproxy(&bare, address, &servers, Setup::Guide));
    }
    // Until it knows who leads; HAProxy takes all for well until three checks have failed.
    std::thread::sleep(Duration::from_secs(if with_vaultyard { 1 } else { 17 }));
    let outcome = strain(&bare.access(address), bare.home.folder());
    let content = json!({"data": {"value": "after"}});
    let write = bare.ask_leader(Method::POST, KEY, &content);
    let after = runtime().block_on(async { timeout(PATIENCE, write).await });
    let alive = after.is_ok_and(|answer| is_done(&answer));
    println!("with Vaultyard {with_vaultyard}: alive {alive}, {outcome:?}");
    drop((ours, theirs));
    (outcome, alive)
}

/// Readers and writers of one key at this address, for [`LASTS`].
pub(crate) fn strain(access: &Access, folder: &Path) -> Outcome {
    runtime().block_on(async {
        let first = json!({"data": {"value": "first"}});
        let answer = Client::new(access).send(Method::POST, KEY, &first).await;
        assert!(is_done(&answer), "{answer:?}");
    });
    let stop = Arc::new(AtomicBool::new(false));
    let writer = |_| runtime().spawn(write(access.clone(), Arc::clone(&stop)));
    let writers: Vec<JoinHandle<(u32, u32)>> = (0..WRITERS).map(writer).collect();
    let plan = Plan { connections: READERS, lasts: LASTS };
    let read = closed_loop::read(access, KEY, plan, folder);
    stop.store(true, Ordering::Relaxed);
    let mut outcome =
        Outcome { reads: read.requests, reads_failed: read.failed, ..Outcome::default() };
    for writer in writers {
        let (written, failed) = runtime().block_on(writer).unwrap();
        outcome.written += written;
        outcome.writes_failed += failed;
    }
    outcome
}

/// How many writes of one client were acknowledged, and how many were not.
async fn write(access: Access, stop: Arc<AtomicBool>) -> (u32, u32) {
    let (mut written, mut failed) = (0, 0);
    let mut client = Client::new(&access);
    while !stop.load(Ordering::Relaxed) {
        let content = json!({"data": {"value": "x".repeat(200)}});
        match timeout(PATIENCE, client.send(Method::POST, KEY, &content)).await {
            Ok(answer) if is_done(&answer) => written += 1,
            _ => failed += 1,
        }
    }
    (written, failed)
}
