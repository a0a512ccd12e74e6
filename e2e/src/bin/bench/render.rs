//! The objects of many different documents.

use std::time::Instant;

use vaultyard_e2e::Home;

use crate::Effort;
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max, seconds};

const DOCUMENTS: u32 = 500;
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(crate) fn run(effort: Effort) -> Report {
    let home = Home::new();
    let files: Vec<String> = (0..DOCUMENTS).map(|number| document(&home, number)).collect();
    let image = format!("registry.example/vaultyard@{DIGEST}");
    let server = format!("registry.example/openbao@{DIGEST}");
    let mut samples = Samples::default();
    for _ in 0..effort.of(5, 1) {
        let began = Instant::now();
        for file in &files {
            let words = ["--target", "kubernetes", "--image", &image, "--server-image", &server];
            let said = home.run(&[&["render", "-f", file], &words[..]].concat());
            assert_eq!(said.code, Some(0), "{said:#?}");
        }
        samples.push(began.elapsed().as_secs_f64());
    }
    let whole = format!("`vaultyard render --target kubernetes` of {DOCUMENTS} documents");
    let each = seconds(samples.median() / f64::from(DOCUMENTS));
    Report {
        against: "others",
        rows: vec![
            Row::new(whole, median_and_max(&samples), String::new())
                .goal("< 1 s", samples.median() < 1.0),
            Row::new("one of them", each, String::new()),
        ],
        notes: vec![
            "One process for each document, one after the other: most of it is starting the \
             program. The documents differ in name, number of servers, size and options."
                .to_owned(),
        ],
    }
}

fn document(home: &Home, number: u32) -> String {
    let replicas = [3, 5, 7, 9][number as usize % 4];
    let size = 1 + number % 40;
    let ttl = 1 + number;
    let text = format!(
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata:\n  name: vault{number}\n\
         spec:\n  servers:\n    replicas: {replicas}\n    zones: [a, b, c]\n    storage:\n      \
         raft:\n        size: {size}Gi\n    configuration:\n      max_lease_ttl: {ttl}h\n"
    );
    home.write(&format!("{number}.yaml"), &text).display().to_string()
}
