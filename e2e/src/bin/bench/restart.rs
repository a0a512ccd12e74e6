//! A standby that is killed: from the start of its next process to following the leader again.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use vaultyard_e2e::{Access, Client, Cluster, SERVERS};

use crate::bare::{self, Bare};
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max, seconds};
use crate::{Effort, runtime};

/// How often the other kind of unsealer looks.
const POLL: Duration = Duration::from_secs(5);

pub(crate) fn run(effort: Effort) -> Report {
    let rounds = effort.of(20, 4);
    let (ours, from_kill) = with_vaultyard(rounds);
    let (floor, polled) = without(rounds);
    let ratio = ours.median() / floor.median();
    let what = "start of a killed standby's process to 429";
    Report {
        against: "other",
        rows: vec![
            Row::new(
                format!("{what}; against the floor"),
                median_and_max(&ours),
                median_and_max(&floor),
            )
            .ratio(ratio)
            .goal("median <= 2 x", ratio <= 2.0),
            Row::new("the slowest of them", seconds(ours.max()), seconds(floor.max()))
                .goal("< 0.5 s", ours.max() < 0.5),
            Row::new(
                format!("{what}; against a poller of {} s", POLL.as_secs()),
                median_and_max(&ours),
                median_and_max(&polled),
            )
            .ratio(ours.median() / polled.median()),
            Row::new(
                "from `kill -9` to 429, with the supervisor's part of it",
                median_and_max(&from_kill),
                String::new(),
            ),
        ],
        notes: vec![format!(
            "{rounds} times each. The floor has the keys at hand and asks in a tight loop; it was \
             measured elsewhere on the same server with a median of 0.129 s and a maximum of \
             0.235 s. Bank-Vaults, also measured elsewhere: median 2.7 s, maximum 4.6 s."
        )],
    }
}

/// From the start of the process, and from its predecessor's death. A server that dies again and
/// again is started later each time, so each dies only twice, and only the first time tells how
/// soon the supervisor acts.
fn with_vaultyard(rounds: u32) -> (Samples, Samples) {
    let (mut from_start, mut from_kill) = (Samples::default(), Samples::default());
    while from_start.count() < rounds as usize {
        let mut cluster = Cluster::new();
        let leader = cluster.leader();
        let standbys = SERVERS.iter().filter(|name| **name != leader);
        for name in standbys {
            for again in [false, true] {
                let (since_start, since_kill) = kill(&cluster, name);
                from_start.push(since_start.as_secs_f64());
                if !again {
                    from_kill.push(since_kill.as_secs_f64());
                }
                cluster.wait_until_ready();
            }
        }
    }
    (from_start, from_kill)
}

/// Kills a standby; until it follows again, from the start of its next process and from its death.
fn kill(cluster: &Cluster, name: &str) -> (Duration, Duration) {
    let processes = cluster.home().processes();
    let access = access(cluster, name);
    let before = processes.server(name).unwrap();
    processes.signal(before, Signal::KILL);
    let killed = Instant::now();
    while processes.server(name).is_none_or(|id| id == before) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let started = Instant::now();
    runtime().block_on(follows(&access));
    (started.elapsed(), killed.elapsed())
}

/// The floor, and somebody who polls.
fn without(rounds: u32) -> (Samples, Samples) {
    let mut bare = Bare::up();
    let (mut floor, mut polled) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        let standby = if runtime().block_on(bare.leader()) == 1 { 2 } else { 1 };
        let access = bare.access(bare.server_address(standby));
        let mut time = |phase: Option<Duration>| {
            bare.signal(standby, Signal::KILL);
            bare.ended(standby);
            bare.start(standby);
            let started = Instant::now();
            runtime().block_on(async {
                match phase {
                    None => bare.unseal_again(standby).await,
                    Some(phase) => bare.unseal_by_polling(standby, phase, POLL).await,
                }
                follows(&access).await;
            });
            started.elapsed().as_secs_f64()
        };
        floor.push(time(None));
        // Every moment of the poller's period is equally likely, so each has its turn.
        polled.push(time(Some(POLL * (2 * round + 1) / (2 * rounds))));
    }
    (floor, polled)
}

fn access(cluster: &Cluster, server: &str) -> Access {
    let ordinal = SERVERS.iter().position(|name| *name == server).unwrap();
    let [a, b, c, d] = cluster.home().address().octets();
    let address = Ipv4Addr::new(a, b, c, d + 1 + u8::try_from(ordinal).unwrap());
    let authority = "eval \"$(vaultyard env)\"; printf '%s' \"$BAO_CACERT\"";
    let authority = cluster.home().shell(authority).done();
    Access::new(&[&format!("https://{address}:8200"), &authority, ""])
}

/// Returns when the server says that it follows.
async fn follows(access: &Access) {
    bare::until(&mut Client::new(access), "sys/health", |answer| answer.status == 429).await;
}
