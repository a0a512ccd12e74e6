//! What clients see while all servers are replaced by others with another configuration: 200 requests a
//! second, half of them writes.

use std::time::{Duration, Instant};

use http::Method;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::timeout;
use vaultyard_e2e::{Client, Cluster, Home, journal};

use crate::bare::{self, Bare, COUNT};
use crate::front::{self, Setup};
use crate::open_loop::{self, HALVES, Running, Sent};
use crate::outcome::{Outcome, failed, figures, gaps};
use crate::process::Owned;
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max};
use crate::{Effort, runtime};

/// In which order servers are replaced without Vaultyard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As a StatefulSet replaces its pods.
    Ordinals,
    /// As checklists say.
    LeaderLast,
}

/// What changes from one configuration to the next.
const LEVELS: [&str; 2] = ["info", "debug"];
/// How long the load goes on before and after.
const AROUND: Duration = Duration::from_secs(3);
/// How long a server may take until it follows again. One that is dead-locked never does.
const PATIENCE: Duration = Duration::from_secs(40);
/// Until HAProxy knows who leads: it takes every server for well until three checks failed.
const SETTLED: Duration = Duration::from_secs(5);

pub(crate) fn run(effort: Effort) -> Report {
    let rounds = effort.of(5, 1);
    let ours = with_vaultyard(rounds);
    let ordinals = behind_haproxy(Order::Ordinals, rounds);
    let leader_last = behind_haproxy(Order::LeaderLast, rounds);
    let floor = unavoidable(rounds);
    let times: Samples = ours.iter().map(|it| it.election).collect();
    let ratio = times.median() / floor.median();
    let nothing_failed = ours.iter().all(|it| failed(&it.sent).count() == 0);
    let lost = |outcomes: &[Outcome]| outcomes.iter().filter_map(|it| it.lost).sum::<usize>();
    let dead = |outcomes: &[Outcome]| outcomes.iter().filter(|it| it.lost.is_none()).count();
    let note = |name: &str, outcomes: &[Outcome]| {
        let all: usize = outcomes.iter().map(|it| it.sent.len()).sum();
        let failures: usize = outcomes.iter().map(|it| failed(&it.sent).count()).sum();
        format!(
            "{name}: {failures} of {all} requests failed, {} acknowledged writes lost, in {} of {} runs the \
             leader was dead-locked afterwards.",
            lost(outcomes),
            dead(outcomes),
            outcomes.len()
        )
    };
    Report {
        against: "other",
        rows: vec![
            Row::new(
                "three servers replaced; against ordinals behind HAProxy tuned",
                figures(&ours),
                figures(&ordinals),
            )
            .goal("0 failed, gap <= 0.3 s", nothing_failed && gaps(&ours).max() <= 0.3),
            Row::new(
                "three servers replaced; against the same, the leader last",
                figures(&ours),
                figures(&leader_last),
            ),
            Row::new(
                "time of `vaultyard apply`; against the waits that nobody avoids",
                median_and_max(&times),
                median_and_max(&floor),
            )
            .ratio(ratio)
            .goal("<= 1.3 x", ratio <= 1.3),
        ],
        notes: vec![
            format!(
                "Failed of all requests, and the longest time without a success of reads or of writes; \
                 medians and maxima of {rounds} runs. Without Vaultyard each server is SIGTERMed, started \
                 and unsealed at once, the next one as soon as it answers 429. The waits: the same \
                 without clients and without a proxy, the leader last, each server until it has applied \
                 what the leader had committed."
            ),
            note("Vaultyard", &ours),
            note("Ordinals behind HAProxy", &ordinals),
            note("The leader last behind HAProxy", &leader_last),
        ],
    }
}

/// `vaultyard apply` of one configuration after another.
fn with_vaultyard(rounds: u32) -> Vec<Outcome> {
    let home = Home::new();
    let file = declared(&home, LEVELS[0]);
    let cluster = Cluster::of(home, &["-f", &file]);
    journal::provide(&cluster.access());
    runtime().block_on(write_hello(&mut Client::new(&cluster.access())));
    let round = |number: u32| {
        let file = declared(cluster.home(), LEVELS[(number as usize + 1) % LEVELS.len()]);
        let load = open_loop::start(&cluster.access(), &format!("vaultyard-{number}"), HALVES);
        let (sent, began, over) = applied(&cluster, &file, load);
        let mut client = Client::new(&cluster.access());
        let lost = runtime().block_on(open_loop::lost(&mut client, &sent, PATIENCE));
        Outcome { sent, event: began..=over, election: over - began, lost }
    };
    (0..rounds).map(round).collect()
}

/// `vaultyard apply` under this load, which ends some time after it: what was sent, when that began and was over.
pub(crate) fn applied(
    cluster: &Cluster,
    file: &str,
    load: Running,
) -> (Vec<Sent>, Instant, Instant) {
    std::thread::sleep(AROUND);
    let began = Instant::now();
    let said = cluster.home().run(&["apply", "-f", file, "--yes"]);
    let over = Instant::now();
    assert_eq!(said.code, Some(0), "{said:#?}");
    std::thread::sleep(AROUND);
    (load.stop(), began, over)
}

fn declared(home: &Home, level: &str) -> String {
    let text = format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
         spec: {{servers: {{configuration: {{log_level: {level}}}}}}}\n"
    );
    home.write("cluster.yaml", &text).display().to_string()
}

pub(crate) async fn write_hello(client: &mut Client) {
    let content = json!({"data": {"name": "world"}});
    let written = client.send(Method::POST, "secret/data/hello", &content).await;
    assert!(bare::is_done(&written), "the secret that is read could not be written");
}

/// Servers with an HAProxy in front.
struct Scene {
    /// Ended when it is dropped.
    _haproxy: Owned,
    bare: Bare,
}

impl Scene {
    fn new() -> Self {
        let bare = Bare::up();
        let servers: Vec<_> = (0..COUNT).map(|ordinal| bare.server_address(ordinal)).collect();
        let haproxy = front::haproxy(&bare, bare.address(4), &servers, Setup::Tuned);
        std::thread::sleep(SETTLED);
        Self { _haproxy: haproxy, bare }
    }
}

fn behind_haproxy(order: Order, rounds: u32) -> Vec<Outcome> {
    let mut scene = Scene::new();
    let mut outcomes = Vec::new();
    for number in 0..rounds {
        let access = scene.bare.access(scene.bare.address(4));
        let load = open_loop::start(&access, &format!("{order:?}-{number}"), HALVES);
        std::thread::sleep(AROUND);
        let began = Instant::now();
        let whole = replace_all(&mut scene.bare, order, false);
        let over = Instant::now();
        std::thread::sleep(AROUND);
        let sent = load.stop();
        let mut client = scene.bare.client(0);
        let lost = runtime().block_on(open_loop::lost(&mut client, &sent, PATIENCE));
        let lost = lost.filter(|_| whole);
        let dead = lost.is_none();
        outcomes.push(Outcome { sent, event: began..=over, election: over - began, lost });
        if dead {
            scene = Scene::new();
        }
    }
    outcomes
}

/// The same without clients, each server until it has caught up.
fn unavoidable(rounds: u32) -> Samples {
    let mut bare = Bare::up();
    let mut times = Samples::default();
    while times.count() < rounds as usize {
        let began = Instant::now();
        if replace_all(&mut bare, Order::LeaderLast, true) {
            times.push(began.elapsed().as_secs_f64());
        } else {
            bare = Bare::up();
        }
    }
    times
}

/// Replaces every server; whether all of them came back.
fn replace_all(bare: &mut Bare, order: Order, catch_up: bool) -> bool {
    let leader = runtime().block_on(bare.leader());
    let mut servers: Vec<u8> = (0..COUNT).rev().collect();
    if order == Order::LeaderLast {
        servers.sort_by_key(|server| *server == leader);
    }
    servers.into_iter().all(|server| {
        bare.signal(server, Signal::TERM);
        bare.ended(server);
        bare.start(server);
        runtime().block_on(async {
            let back = async {
                bare.unseal_again(server).await;
                if catch_up {
                    bare.catches_up(server).await;
                }
            };
            timeout(PATIENCE, back).await.is_ok()
        })
    })
}
