//! The objects of many different documents.

use std::time::Instant;

use serde_json::Value;
use vaultyard_manifest::Target;
use vaultyard_render::kubernetes::{Release, installation, workload, yaml};

use crate::Effort;
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max, seconds};

const DOCUMENTS: u32 = 500;

pub(crate) fn run(effort: Effort) -> Report {
    let documents: Vec<String> = (0..DOCUMENTS).map(document).collect();
    let image = |name: &str| format!("registry.example/{name}@sha256:{}", "a".repeat(64));
    let release = Release { vaultyard: image("vaultyard"), server: image("openbao") };
    let definition: Value = serde_saphyr::from_str(&vaultyard_manifest::crd()).unwrap();
    let mut samples = Samples::default();
    let mut length = 0;
    for _ in 0..effort.of(20, 3) {
        let began = Instant::now();
        length = documents.iter().map(|text| rendered(text, &release, &definition).len()).sum();
        samples.push(began.elapsed().as_secs_f64());
    }
    let whole = format!("{DOCUMENTS} documents, read, checked and rendered");
    let each = seconds(samples.median() / f64::from(DOCUMENTS));
    Report {
        against: "others",
        rows: vec![
            Row::new(whole, median_and_max(&samples), String::new())
                .goal("< 1 s", samples.median() < 1.0),
            Row::new("one of them", each, String::new()),
        ],
        notes: vec![format!(
            "Within one process, on one thread, from text to YAML, {} MiB of it: what the cluster \
             controller and `vaultyard render` do. The documents differ in name, number of servers, \
             zones, sizes and options.",
            length >> 20
        )],
    }
}

fn rendered(text: &str, release: &Release, definition: &Value) -> String {
    let cluster = vaultyard_manifest::parse("bench", text, Target::Kubernetes);
    let cluster = cluster.unwrap_or_else(|findings| panic!("{findings}"));
    let declared: Value = serde_saphyr::from_str(text).unwrap();
    let mut all = installation(&cluster, release, definition, &declared);
    all.extend(workload(&cluster, release, text));
    yaml(&all)
}

fn document(number: u32) -> String {
    let replicas = [1, 3, 5, 7, 9][number as usize % 5];
    // A single server has no use for zones.
    let zones = if replicas == 1 { "" } else { "    zones: [a, b, c]\n" };
    let size = 1 + number % 40;
    let ttl = 1 + number;
    format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata:\n  name: vault{number}\n\
         spec:\n  servers:\n    replicas: {replicas}\n{zones}    storage:\n      \
         raft:\n        size: {size}Gi\n    configuration:\n      max_lease_ttl: {ttl}h\n"
    )
}
