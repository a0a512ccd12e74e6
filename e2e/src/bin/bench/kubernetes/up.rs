//! From nothing to three servers that are all `Ready`, on nodes that have the images.

use std::time::Instant;

use vaultyard_e2e::kubernetes::Kube;

use super::plain::Plain;
use super::wait_until_gone;
use crate::Effort;
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max};

/// A third of what the operator of Bank-Vaults took on such a cluster.
const THIRD_OF_PEER: f64 = 41.4 / 3.0;

#[derive(Default)]
struct Floor {
    running: Samples,
    unsealed: Samples,
    ready: Samples,
}

pub(crate) fn run(effort: Effort) -> Report {
    let rounds = effort.of(7, 1);
    let (mut ours, mut floor) = (Samples::default(), Floor::default());
    for round in 0..rounds {
        if round % 2 == 0 {
            vaultyard(&mut ours);
            plain(&mut floor, round);
        } else {
            plain(&mut floor, round);
            vaultyard(&mut ours);
        }
    }
    let (own, least) = (ours.median(), floor.ready.median());
    let what = "`up` to all three `Ready`";
    Report {
        against: "floor",
        rows: vec![
            Row::new(what, median_and_max(&ours), median_and_max(&floor.ready))
                .ratio(own / least)
                .goal("<= 1.3 x", own <= 1.3 * least),
            Row::new(
                format!("{what}; against Bank-Vaults' operator"),
                median_and_max(&ours),
                "41.4 s".to_owned(),
            )
            .ratio(own / (3.0 * THIRD_OF_PEER))
            .goal("<= 13.8 s", own <= THIRD_OF_PEER),
        ],
        notes: vec![format!(
            "{rounds} times each, in alternating order, each in new namespaces, on nodes that have \
             the images. Vaultyard: from the start of `vaultyard up` to its end. The floor: plain \
             manifests of the same servers (one StatefulSet, a volume each, a headless Service), \
             from `kubectl apply` until all three vote and count as ready; its certificates are \
             made before, its keys are kept in memory only, and it initialises, has the others \
             join and unseals as soon as each can be, in tight loops. Its own steps: all servers \
             run {}, all unsealed {}. Bank-Vaults' operator was measured elsewhere.",
            median_and_max(&floor.running),
            median_and_max(&floor.unsealed),
        )],
    }
}

fn vaultyard(samples: &mut Samples) {
    let cluster = Kube::declared("");
    let began = Instant::now();
    let said = cluster.up(&[]);
    let took = began.elapsed();
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    println!("Vaultyard: ready after {took:.1?}");
    samples.push(took.as_secs_f64());
    let (name, operations) = (cluster.name().to_owned(), cluster.operations());
    // In order, which is sooner than when Kubernetes ends the namespaces by itself.
    let _ = cluster.vaultyard(&["destroy", "--yes", &name, "--volumes", "--keys"]);
    drop(cluster);
    wait_until_gone(&[&name, &operations]);
}

fn plain(floor: &mut Floor, round: u32) {
    let took = Plain::prepare(round).bring_up();
    println!("floor: {took:.1?}");
    floor.running.push(took.running.as_secs_f64());
    floor.unsealed.push(took.unsealed.as_secs_f64());
    floor.ready.push(took.ready.as_secs_f64());
}
