//! What the planner of rollouts needs to decide about the largest cluster.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use vaultyard_model::port::rollout::Stale;
use vaultyard_model::{ServerName, Version};
use vaultyard_plan::rollout::{Next, Wanted, next};
use vaultyard_testkit::sample;

use crate::Effort;
use crate::report::{Report, Row};
use crate::samples::Samples;

const SERVERS: u8 = 9;
/// So many are timed together: one alone is over before a clock has moved.
const TOGETHER: u32 = 1000;

pub(crate) fn run(effort: Effort) -> Report {
    let seen = sample::observed(SERVERS);
    let version = Version::new("2.7.2").unwrap();
    let servers = seen.servers.keys().cloned().collect();
    let mut samples = Samples::default();
    for round in 0..effort.of(200, 5) {
        // Each step of a rollout in turn: all are to be replaced, then ever fewer.
        let left = SERVERS - u8::try_from(round % usize::from(SERVERS)).unwrap();
        let stale: BTreeMap<ServerName, Stale> = seen
            .servers
            .keys()
            .take(usize::from(left))
            .map(|server| (server.clone(), Stale::Version))
            .collect();
        let began = Instant::now();
        for _ in 0..TOGETHER {
            let wanted = Wanted {
                version: &version,
                servers: &servers,
                stale: &stale,
                snapshot: true,
                hindrance: None,
            };
            let planned = next(black_box(&seen), black_box(wanted));
            assert!(matches!(planned, Next::Replace { .. }), "{planned:?}");
        }
        samples.push(began.elapsed().as_secs_f64() / f64::from(TOGETHER));
    }
    Report {
        against: "others",
        rows: vec![
            Row::new(
                format!("one plan of {SERVERS} servers"),
                format!("{:.2} µs, max {:.2} µs", samples.median() * 1e6, samples.max() * 1e6),
                String::new(),
            )
            .goal("< 50 µs", samples.median() < 50e-6),
        ],
        notes: vec![format!(
            "Within one process, on one thread: what `plan::rollout::next` takes for its next step, at each \
             step of a rollout, {TOGETHER} at a time."
        )],
    }
}
