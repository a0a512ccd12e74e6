//! What clients see while the leader changes: 200 requests a second, half of them writes.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::Method;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::timeout;

use crate::bare::{Bare, COUNT};
use crate::front::{self, Setup};
use crate::open_loop::{self, HALVES, Sent};
use crate::outcome::{Outcome, details, failed, figures, gaps};
use crate::process::Owned;
use crate::report::{Report, Row};
use crate::{Effort, runtime};

/// What happens to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    SteppedDown,
    Terminated,
    Killed,
}

const EVENTS: [(Event, &str); 3] = [
    (Event::SteppedDown, "stepped down"),
    (Event::Terminated, "SIGTERMed (Vaultyard: through the drain)"),
    (Event::Killed, "killed with `kill -9`"),
];

/// What the clients talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Vaultyard,
    Tuned,
    Guide,
}

const SIDES: [Side; 3] = [Side::Vaultyard, Side::Tuned, Side::Guide];

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Vaultyard => "Vaultyard",
            Self::Tuned => "HAProxy tuned",
            Self::Guide => "HAProxy as in guides",
        }
    }

    /// How long the load goes on after the servers are well again: until the front must have
    /// noticed.
    fn afterwards(self) -> Duration {
        Duration::from_secs(if self == Self::Guide { 16 } else { 5 })
    }
}

/// How long a healthy server may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// Until fronts know who leads: HAProxy takes every server for well until three checks failed.
const SETTLED: Duration = Duration::from_secs(17);

pub(crate) fn run(effort: Effort) -> Report {
    let mut scene = Scene::new();
    let mut rows = Vec::new();
    let mut notes = vec![format!(
        "Failed of all requests, and the longest time without a success of reads or of writes; \
         medians and maxima of {} runs, of {} with HAProxy. All three stand in front of the same \
         servers, and one at a time gets the load; a server that ended is started and unsealed \
         again at once. As in guides: `inter 5s`. Tuned: `inter 1s`, `maxconn 40`, `retry-on \
         conn-failure empty-response 500 503`.",
        effort.of(5, 1),
        effort.of(3, 1)
    )];
    for (event, name) in EVENTS {
        let outcomes = SIDES.map(|side| {
            let times = if side == Side::Vaultyard { effort.of(5, 1) } else { effort.of(3, 1) };
            (0..times).map(|round| scene.play(event, side, round)).collect::<Vec<_>>()
        });
        let [ours, tuned, guide] = &outcomes;
        rows.push(goal(
            event,
            ours,
            Row::new(
                format!("leader {name}; against HAProxy tuned"),
                figures(ours),
                figures(tuned),
            ),
        ));
        rows.push(Row::new(
            format!("leader {name}; against HAProxy as in guides"),
            figures(ours),
            figures(guide),
        ));
        notes.extend(std::iter::zip(SIDES, &outcomes).map(|(side, outcomes)| {
            format!("Leader {name}, {}: {}", side.name(), details(outcomes))
        }));
    }
    Report { against: "HAProxy", rows, notes }
}

fn goal(event: Event, ours: &[Outcome], row: Row) -> Row {
    let nothing_failed = ours.iter().all(|outcome| failed(&outcome.sent).count() == 0);
    match event {
        Event::SteppedDown => row.goal("0 failed", nothing_failed),
        Event::Terminated => {
            row.goal("0 failed, gap <= 0.3 s", nothing_failed && gaps(ours).max() <= 0.3)
        }
        Event::Killed => {
            let met = ours.iter().all(Outcome::only_writes_in_flight_failed);
            row.goal("only writes in flight, ambiguous; gap = election", met)
        }
    }
}

/// Servers with all fronts.
struct Scene {
    proxy: front::Vaultyard,
    /// Ended when it is dropped.
    _haproxies: [Owned; 2],
    bare: Bare,
}

impl Scene {
    fn new() -> Self {
        let bare = Bare::up();
        let servers: Vec<_> = (0..COUNT).map(|ordinal| bare.server_address(ordinal)).collect();
        let at = |side| address(&bare, side);
        let proxy = front::Vaultyard::start(&bare, at(Side::Vaultyard), &servers);
        let haproxies = [
            front::haproxy(&bare, at(Side::Tuned), &servers, Setup::Tuned),
            front::haproxy(&bare, at(Side::Guide), &servers, Setup::Guide),
        ];
        sleep(SETTLED);
        Self { proxy, _haproxies: haproxies, bare }
    }

    /// One event in the middle of load.
    fn play(&mut self, event: Event, side: Side, round: u32) -> Outcome {
        let name = format!("{event:?}-{side:?}-{round}");
        let load = open_loop::start(&self.bare.access(address(&self.bare, side)), &name, HALVES);
        sleep(Duration::from_secs(2));
        let leader = runtime().block_on(self.bare.leader());
        let began = Instant::now();
        self.happen(event, side, leader);
        let over = Instant::now();
        runtime().block_on(self.bare.leader_but(Some(leader)));
        let election = began.elapsed();
        if event == Event::Terminated {
            if side == Side::Vaultyard {
                self.proxy.release();
            }
            self.bare.ended(leader);
        }
        if event != Event::SteppedDown {
            self.bare.start(leader);
            runtime().block_on(self.bare.unseal_again(leader));
        }
        sleep(side.afterwards());
        let sent = load.stop();
        let lost = self.settle(&sent);
        let all = sent.len();
        println!("{name}: {} of {all} failed, lost: {lost:?}", failed(&sent).count());
        if lost.is_none() {
            *self = Self::new();
        }
        Outcome { sent, event: began..=over, election, lost }
    }

    /// Has it happen; a server that was killed is gone when this returns.
    fn happen(&mut self, event: Event, side: Side, leader: u8) {
        match event {
            Event::SteppedDown => {
                let asked = self.bare.ask(leader, Method::PUT, "sys/step-down", &Value::Null);
                runtime().block_on(asked).unwrap();
            }
            Event::Terminated => {
                if side == Side::Vaultyard {
                    self.proxy.drain();
                }
                self.bare.signal(leader, Signal::TERM);
            }
            Event::Killed => {
                self.bare.signal(leader, Signal::KILL);
                self.bare.ended(leader);
            }
        }
    }

    /// Waits until the servers are well, and counts acknowledged writes that they do not hold.
    /// `None` when the leader does not answer any more.
    fn settle(&self, sent: &[Sent]) -> Option<usize> {
        runtime().block_on(async {
            timeout(PATIENCE * 2, self.bare.is_healthy()).await.ok()?;
            let mut client = self.bare.client(self.bare.leader().await);
            open_loop::lost(&mut client, sent, PATIENCE).await
        })
    }
}

fn address(bare: &Bare, side: Side) -> Ipv4Addr {
    bare.address(match side {
        Side::Vaultyard => 0,
        Side::Tuned => 4,
        Side::Guide => 5,
    })
}
