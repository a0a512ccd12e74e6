//! What a request costs on its way through a proxy: KV reads of a real server, and of one that
//! answers at once.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::bare::{Bare, COUNT};
use crate::closed_loop::{self, Plan};
use crate::front::{self, Setup, Vaultyard};
use crate::report::{Report, Row};
use crate::samples::Samples;
use crate::{Effort, process, runtime};

/// One proxy in front of one upstream.
struct Side {
    process: u32,
    address: Ipv4Addr,
    /// Microseconds of processor time a request.
    cost: Samples,
    per_second: Samples,
    p50: Samples,
    p99: Samples,
    failed: f64,
}

pub(crate) fn run(effort: Effort) -> Report {
    let bare = Bare::up();
    let servers: Vec<_> = (0..COUNT).map(|ordinal| bare.server_address(ordinal)).collect();
    let value = json!({"data": {"value": ".".repeat(200)}});
    let written = bare.ask_leader(Method::POST, "secret/data/bench", &value);
    assert_eq!(runtime().block_on(written).unwrap().status, 200);

    let at_once = [bare.address(6)];
    let _at_once = front::static_server(&bare, at_once[0]);
    let upstreams = [("OpenBao", &servers[..], 0, 4), ("static answer", &at_once[..], 7, 8)];
    let mut rows = Vec::new();
    let mut failed = 0.0;
    let mut memory = None;
    for (name, upstream, our_place, their_place) in upstreams {
        let (our_address, their_address) = (bare.address(our_place), bare.address(their_place));
        let ours = Vaultyard::start(&bare, our_address, upstream);
        let theirs = front::haproxy(&bare, their_address, upstream, Setup::Capped);
        // HAProxy takes every server for well until three checks have failed.
        std::thread::sleep(Duration::from_secs(5));
        for connections in [16, 32] {
            let mut ours = Side::new(ours.id(), our_address);
            let mut theirs = Side::new(theirs.id(), their_address);
            for round in 0..effort.of(10, 1) {
                let mut pair = [&mut ours, &mut theirs];
                if round % 2 == 1 {
                    pair.reverse();
                }
                let lasts = Duration::from_secs(effort.of(3, 2));
                for side in pair {
                    side.measure(&bare, Plan { connections, lasts });
                }
            }
            rows.extend(rows_of(&format!("{name}, {connections} connections"), &ours, &theirs));
            failed += ours.failed + theirs.failed;
        }
        memory.get_or_insert((process::memory(ours.id()), process::memory(theirs.id())));
    }
    let (ours, theirs) = memory.unwrap();
    let mebibytes = |it: process::Memory| {
        format!("{:.1} MiB, {:.1} of it anonymous", it.resident, it.anonymous)
    };
    rows.push(Row::new("resident memory after it", mebibytes(ours), mebibytes(theirs)));
    Report {
        against: "HAProxy",
        rows,
        notes: vec![format!(
            "{} pairs of {} s each, in alternating order; ratios are medians over the pairs. Both \
             proxies run on one thread with TLS on both sides, send to the leader only and let 40 \
             requests through; Vaultyard's is the crate on its own, run as `vaultyard up` runs it. \
             Load: `wrk` on one thread. Answers that were not 200, in all: {failed:.0}.",
            effort.of(10, 1),
            effort.of(3, 2),
        )],
    }
}

fn rows_of(what: &str, ours: &Side, theirs: &Side) -> Vec<Row> {
    let cost = ours.cost.over(&theirs.cost).median();
    let per_second = ours.per_second.over(&theirs.per_second).median();
    let p50 = ours.p50.over(&theirs.p50).median();
    let p99 = ours.p99.over(&theirs.p99).median();
    let micros = |samples: &Samples| format!("{:.1} us", samples.median());
    let number = |samples: &Samples| format!("{:.0}", samples.median());
    let millis = |samples: &Samples| format!("{:.2} ms", samples.median() * 1e3);
    let row = |column: &str, form: &dyn Fn(&Samples) -> String, pick: fn(&Side) -> &Samples| {
        Row::new(format!("{what}: {column}"), form(pick(ours)), form(pick(theirs)))
    };
    vec![
        row("processor time a request", &micros, |side| &side.cost)
            .ratio(cost)
            .goal("<= 1.0", cost <= 1.0),
        row("requests a second", &number, |side| &side.per_second)
            .ratio(per_second)
            .goal(">= 0.95", per_second >= 0.95),
        row("p50", &millis, |side| &side.p50).ratio(p50),
        row("p99", &millis, |side| &side.p99).ratio(p99).goal("<= 1.1", p99 <= 1.1),
    ]
}

impl Side {
    fn new(process: u32, address: Ipv4Addr) -> Self {
        let (cost, per_second, p50, p99) = Default::default();
        Self { process, address, cost, per_second, p50, p99, failed: 0.0 }
    }

    fn measure(&mut self, bare: &Bare, plan: Plan) {
        let access = bare.access(self.address);
        let before = process::cpu(self.process);
        let counted = closed_loop::read(&access, "secret/data/bench", plan, bare.home.folder());
        let taken = process::cpu(self.process) - before;
        self.cost.push(taken.as_secs_f64() * 1e6 / counted.requests);
        self.per_second.push(counted.per_second);
        self.p50.push(counted.p50);
        self.p99.push(counted.p99);
        self.failed += counted.failed;
    }
}
