//! The benchmarks: each measures Vaultyard and what it is compared with in one run, in turns, and
//! writes what came out into `docs/benchmarks.md`. Nothing here fails because something is slow.
//!
//! `bench [--quick] [NAME...]`: all that need no Kubernetes, or those named; the name `kubernetes` stands
//! for all that need one. `--quick` tries whether they run: few repetitions, nothing is written.
#![allow(
    clippy::unwrap_used,
    reason = "as in the library: this package is tests as a whole; a panic is how a bench fails"
)]

mod bare;
mod closed_loop;
mod cold_up;
mod dead_lock;
mod disruption;
mod dns;
mod front;
mod kubernetes;
mod machine;
mod memory;
mod open_loop;
mod outcome;
mod pki;
mod planner;
mod process;
mod proxy;
mod render;
mod report;
mod restart;
mod rollout;
mod samples;
mod snapshots;
mod versions;

use std::process::ExitCode;
use std::sync::OnceLock;

use tokio::runtime::Runtime;

use report::Report;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Enough for a figure.
    Whole,
    /// Enough to see that it runs.
    Quick,
}

impl Effort {
    /// One of two amounts.
    fn of<T>(self, whole: T, quick: T) -> T {
        match self {
            Self::Whole => whole,
            Self::Quick => quick,
        }
    }
}

/// A bench by its name, in the order of the report.
struct Bench {
    name: &'static str,
    run: fn(Effort) -> Report,
}

const BENCHES: [Bench; 17] = [
    Bench { name: "cold-up", run: cold_up::run },
    Bench { name: "restart", run: restart::run },
    Bench { name: "proxy", run: proxy::run },
    Bench { name: "disruption", run: disruption::run },
    Bench { name: "dead-lock", run: dead_lock::run },
    Bench { name: "rollout", run: rollout::run },
    Bench { name: "versions", run: versions::of_three },
    Bench { name: "versions-of-five", run: versions::of_five },
    Bench { name: "snapshots", run: snapshots::run },
    Bench { name: "planner", run: planner::run },
    Bench { name: "memory", run: memory::run },
    Bench { name: "dns", run: dns::run },
    Bench { name: "render", run: render::run },
    Bench { name: "kubernetes-up", run: kubernetes::up::run },
    Bench { name: "kubernetes-restart", run: kubernetes::restart::run },
    Bench { name: "kubernetes-memory", run: kubernetes::memory::run },
    Bench { name: "kubernetes-idle", run: kubernetes::idle::run },
];

impl Bench {
    fn needs_kubernetes(&self) -> bool {
        self.name.starts_with("kubernetes-")
    }

    /// Whether it is what a person means by this word.
    fn is_meant_by(&self, word: &str) -> bool {
        self.name == word || (word == "kubernetes" && self.needs_kubernetes())
    }

    fn is_wanted(&self, words: &[&str]) -> bool {
        if words.is_empty() {
            return !self.needs_kubernetes();
        }
        words.iter().any(|word| self.is_meant_by(word))
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| word.starts_with('-'));
    let effort = match flags.as_slice() {
        [] => Effort::Whole,
        ["--quick"] => Effort::Quick,
        _ => return usage(),
    };
    if names.iter().any(|name| !BENCHES.iter().any(|bench| bench.is_meant_by(name))) {
        return usage();
    }
    for Bench { name, run } in BENCHES.iter().filter(|bench| bench.is_wanted(&names)) {
        println!("\n== {name}");
        let load = machine::load();
        let block = run(effort).markdown(&machine::line(load));
        println!("\n{block}");
        if effort == Effort::Whole {
            report::write(name, &block);
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
    eprintln!("bench [--quick] [NAME...]\nnames: {}", names.join(", "));
    ExitCode::from(2)
}

/// The one runtime of the clients. One thread beside the one that measures: more would only take
/// processors away from what is measured.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}
