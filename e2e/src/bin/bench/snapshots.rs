//! How long it takes to prove a snapshot by restoring it into a throw-away server.

use std::time::Instant;

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use vaultyard_e2e::{Access, Client, Cluster, journal};

use crate::bare::is_done;
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max};
use crate::{Effort, runtime};

/// Who write them, beside each other.
const WRITERS: u32 = 16;

pub(crate) fn run(effort: Effort) -> Report {
    let (secrets, runs) = (effort.of(10_000, 100), effort.of(5, 1));
    let cluster = Cluster::new();
    journal::provide(&cluster.access());
    runtime().block_on(write(&cluster.access(), secrets));
    let _ = cluster.home().run(&["snapshot", "take"]).done();
    let listed = cluster.home().run(&["snapshot", "list", "--output", "json"]).done();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let bytes = listed[0]["bytes"].as_f64().unwrap_or_default();
    let mut times = Samples::default();
    for _ in 0..runs {
        let began = Instant::now();
        let _ = cluster.home().run(&["snapshot", "verify", "--restore"]).done();
        times.push(began.elapsed().as_secs_f64());
    }
    Report {
        against: "",
        rows: vec![
            Row::new(
                format!("`snapshot verify --restore` with {secrets} secrets"),
                median_and_max(&times),
                String::new(),
            )
            .goal("< 60 s", times.max() < 60.0),
        ],
        notes: vec![format!(
            "The snapshot has {:.1} MB; {runs} runs, beside the running cluster. A server of its version is started, \
             initialised, given the snapshot, opened with the keys of the cluster and logged in to.",
            bytes / 1e6
        )],
    }
}

async fn write(access: &Access, secrets: u32) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let mut client = Client::new(access);
        writers.spawn(async move {
            for number in (writer..secrets).step_by(WRITERS as usize) {
                let content = json!({"data": {"number": number, "text": "x".repeat(100)}});
                let path = format!("secret/data/many/{number}");
                let answer = client.send(Method::POST, &path, &content).await;
                assert!(is_done(&answer), "{answer:?}");
            }
        });
    }
    writers.join_all().await;
}
