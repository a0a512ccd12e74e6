//! What clients see while the version of all servers is changed: 200 requests a second, of all kinds.

use std::time::Duration;

use vaultyard_e2e::{Client, Cluster, Home, journal};

use crate::open_loop::{self, EVERYTHING, Kept};
use crate::outcome::{Outcome, failed, figures, reasons_of};
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max};
use crate::{Effort, rollout, runtime};

/// How long an acknowledged write may take to be read.
const PATIENCE: Duration = Duration::from_secs(40);

/// Versions that follow each other in one cluster.
struct Way {
    what: &'static str,
    from: &'static str,
    to: &'static [&'static str],
}

const WAYS: [Way; 2] = [
    Way { what: "2.6.2 -> 2.7.2", from: "2.6.2", to: &["2.7.2"] },
    Way { what: "2.7.1 -> 2.7.2 -> 2.7.1", from: "2.7.1", to: &["2.7.2", "2.7.1"] },
];

/// One change of version.
struct Change {
    outcome: Outcome,
    kept: Kept,
}

pub(crate) fn of_three(effort: Effort) -> Report {
    run(effort, 3)
}

pub(crate) fn of_five(effort: Effort) -> Report {
    run(effort, 5)
}

fn run(effort: Effort, servers: u8) -> Report {
    let (runs, mut rows, mut notes) = (effort.of(10, 1), Vec::new(), Vec::new());
    for way in &WAYS {
        let changes: Vec<Change> = (0..runs).flat_map(|_| run_of(way, servers)).collect();
        let (kept, outcomes): (Vec<_>, Vec<_>) =
            changes.into_iter().map(|change| (change.kept, change.outcome)).unzip();
        let times: Samples = outcomes.iter().map(|it| it.election).collect();
        let (lost, twice) =
            kept.iter().fold((0, 0), |(lost, twice), it| (lost + it.lost, twice + it.twice));
        let failures: usize = outcomes.iter().map(|it| failed(&it.sent).count()).sum();
        let sent: usize = outcomes.iter().map(|it| it.sent.len()).sum();
        let figures = format!("{}; {}", figures(&outcomes), median_and_max(&times));
        let what = format!("{}, {servers} servers, {runs} runs", way.what);
        let good = (failures, lost, twice) == (0, 0, 0);
        rows.push(Row::new(&*what, figures, String::new()).goal("0 failed, lost, twice", good));
        notes.push(format!(
            "{what}: {failures} of {sent} requests failed, {lost} acknowledged writes were lost and {twice} \
             applied twice.{}",
            reasons_of(&outcomes)
        ));
    }
    notes.insert(
        0,
        "Of ten requests five read a secret, three write one of their own, one encrypts with a key of the transit \
         engine, and one logs in. Failed of all, and the longest time without a success of writes or of all others; \
         then the time of `vaultyard apply`, which takes a snapshot first; medians and maxima."
            .to_owned(),
    );
    Report { against: "", rows, notes }
}

/// The changes of a new cluster.
fn run_of(way: &Way, servers: u8) -> Vec<Change> {
    let home = Home::new();
    // The other one is there anyway.
    for version in ["2.6.2", "2.7.1"] {
        home.has_fetched(version);
    }
    let file = declared(&home, way.from, servers);
    let cluster = Cluster::of(home, &["-f", &file]);
    let access = cluster.access();
    journal::provide(&access);
    let mut client = Client::new(&access);
    runtime().block_on(async {
        rollout::write_hello(&mut client).await;
        open_loop::provide(&mut client).await;
    });
    let change = |(number, version): (usize, &&str)| {
        let file = declared(cluster.home(), version, servers);
        let load = open_loop::start(&access, &format!("change-{number}"), EVERYTHING);
        let (sent, began, over) = rollout::applied(&cluster, &file, load);
        let mut client = Client::new(&access);
        let kept = runtime().block_on(open_loop::kept(&mut client, &sent, PATIENCE));
        let kept = kept.expect("the cluster answers afterwards");
        let lost = Some(kept.lost);
        Change {
            outcome: Outcome { sent, event: began..=over, election: over - began, lost },
            kept,
        }
    };
    way.to.iter().enumerate().map(change).collect()
}

fn declared(home: &Home, version: &str, servers: u8) -> String {
    let text = format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {{name: vault}}\n\
         spec: {{servers: {{version: {version}, replicas: {servers}}}}}\n"
    );
    home.write("cluster.yaml", &text).display().to_string()
}
