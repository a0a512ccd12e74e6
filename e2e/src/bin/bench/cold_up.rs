//! From nothing to the first acknowledged write.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use vaultyard_e2e::{Access, Client, Cluster, Home};

use crate::bare::{Bare, PAUSE, is_done};
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max};
use crate::{Effort, runtime};

/// When what was there, from the start of the first process.
#[derive(Default)]
struct Times {
    initialised: Samples,
    first_write: Samples,
    unsealed: Samples,
    voters: Samples,
}

pub(crate) fn run(effort: Effort) -> Report {
    // The election within the request takes one second, or two, or something between: many rounds
    // until medians mean something.
    let (rounds, whole_rounds) = (effort.of(31, 1), effort.of(5, 1));
    let (mut ours, mut floor) = (Times::default(), Times::default());
    for round in 0..rounds {
        let whole = round < whole_rounds;
        if round % 2 == 0 {
            vaultyard(&mut ours, whole);
            bare(&mut floor, whole);
        } else {
            bare(&mut floor, whole);
            vaultyard(&mut ours, whole);
        }
    }
    let ratio = ours.first_write.median() / floor.first_write.median();
    let row = |what: &str, ours: &Samples, floor: &Samples| {
        Row::new(what, median_and_max(ours), median_and_max(floor))
            .ratio(ours.median() / floor.median())
    };
    Report {
        against: "floor",
        rows: vec![
            row(
                "start to the first acknowledged write, Vaultyard's through the proxy",
                &ours.first_write,
                &floor.first_write,
            )
            .goal("<= 1.2 x", ratio <= 1.2),
            row("start to three voters; Vaultyard: to `Ready`", &ours.voters, &floor.voters),
        ],
        notes: vec![format!(
            "{rounds} times each, of these {whole_rounds} to three voters, in alternating order. \
             Vaultyard's first write is the \
             administrator's: `vaultyard login --print` is tried until it succeeds, as a script \
             would, then a KV write goes through the proxy. The floor starts three servers at \
             once, initialises, unseals, mounts KV and writes, straight to the leader with the \
             root token; its certificates are made before, its keys are kept in memory only. Its \
             own steps: initialised {}, all unsealed {}. `PUT sys/init` alone was measured \
             elsewhere with about 1.6 s, a joiner's start to 429 with 3.15 s.",
            median_and_max(&floor.initialised),
            median_and_max(&floor.unsealed),
        )],
    }
}

fn bare(times: &mut Times, whole: bool) {
    let mut bare = Bare::prepare();
    let took = runtime().block_on(bare.bring_up(whole));
    times.initialised.push(took.initialised.as_secs_f64());
    times.first_write.push(took.first_write.as_secs_f64());
    if let Some(whole) = took.whole {
        times.unsealed.push(whole.unsealed.as_secs_f64());
        times.voters.push(whole.voters.as_secs_f64());
    }
}

fn vaultyard(times: &mut Times, whole: bool) {
    let home = Home::new();
    let address = home.address();
    let began = Instant::now();
    let mut cluster = Cluster::starting(home, &[]);
    let access = first_access(cluster.home(), address);
    runtime().block_on(write(&access));
    times.first_write.push(began.elapsed().as_secs_f64());
    if !whole {
        return;
    }
    cluster.wait_until_ready();
    times.voters.push(began.elapsed().as_secs_f64());
}

/// The administrator's way in, as soon as there is one.
fn first_access(home: &Home, address: Ipv4Addr) -> Access {
    let authority = wait_for(|| {
        let line =
            "eval \"$(vaultyard env)\"; test -f \"$BAO_CACERT\"; printf '%s' \"$BAO_CACERT\"";
        let said = home.shell(line);
        (said.code == Some(0)).then_some(said.stdout)
    });
    let token = wait_for(|| {
        let said = home.run(&["login", "--print"]);
        (said.code == Some(0)).then(|| said.stdout.trim().to_owned())
    });
    Access::new(&[&format!("https://{address}:8200"), &authority, &token])
}

async fn write(access: &Access) {
    let mut client = Client::new(access);
    let content = json!({"data": {"name": "world"}});
    while !is_done(&client.send(Method::POST, "secret/data/hello", &content).await) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Starting a program costs more than a look at a server, so the pause is longer than elsewhere.
#[track_caller]
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "no way in after two minutes");
        sleep(Duration::from_millis(20));
    }
}
