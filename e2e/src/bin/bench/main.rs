//! The benchmarks: each measures Vaultyard and what it is compared with in one run, in turns, and
//! writes what came out into `docs/benchmarks.md`. Nothing here fails because something is slow.
//!
//! `bench [--quick] [NAME...]`: all of them, or those named. `--quick` tries whether they run: few
//! repetitions, nothing is written.
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
mod machine;
mod memory;
mod open_loop;
mod pki;
mod process;
mod proxy;
mod report;
mod restart;
mod samples;

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

const BENCHES: [Bench; 7] = [
    Bench { name: "cold-up", run: cold_up::run },
    Bench { name: "restart", run: restart::run },
    Bench { name: "proxy", run: proxy::run },
    Bench { name: "disruption", run: disruption::run },
    Bench { name: "dead-lock", run: dead_lock::run },
    Bench { name: "memory", run: memory::run },
    Bench { name: "dns", run: dns::run },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| word.starts_with('-'));
    let effort = match flags.as_slice() {
        [] => Effort::Whole,
        ["--quick"] => Effort::Quick,
        _ => return usage(),
    };
    if names.iter().any(|name| !BENCHES.iter().any(|bench| bench.name == *name)) {
        return usage();
    }
    let wanted = |bench: &&Bench| names.is_empty() || names.contains(&bench.name);
    for Bench { name, run } in BENCHES.iter().filter(wanted) {
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
