//! What `vaultyard up` has in memory, without the servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vaultyard_e2e::Cluster;

use crate::Effort;
use crate::dead_lock::{self, LASTS, READERS};
use crate::process::{self, Memory};
use crate::report::{Report, Row};

/// The most that all of Vaultyard may have while nothing happens, in MiB.
const GOAL: f64 = 25.0;

pub(crate) fn run(effort: Effort) -> Report {
    let mut cluster = Cluster::new();
    let id = cluster.up().id();
    std::thread::sleep(Duration::from_secs(effort.of(60, 5)));
    let idle = process::memory(id);
    let cost_idle = cost_of_idling(id, Duration::from_secs(effort.of(30, 5)));

    let access = cluster.access();
    let highest = {
        let watch = Watch::start(id);
        let outcome = dead_lock::strain(&access, cluster.home().folder());
        println!("{outcome:?}");
        watch.stop()
    };
    std::thread::sleep(Duration::from_secs(effort.of(30, 2)));
    let afterwards = process::memory(id);

    let say = |it: Memory| format!("{:.1} MiB, {:.1} of it anonymous", it.resident, it.anonymous);
    Report {
        against: "others",
        rows: vec![
            Row::new(
                "idle",
                say(idle),
                "vault-init 17 MiB, Bank-Vaults 63-102 MiB a sidecar".into(),
            )
            .goal("<= 25 MiB", idle.resident <= GOAL),
            Row::new(
                format!("the most under {READERS} readers and 4 writers, {} s", LASTS.as_secs()),
                say(highest),
                String::new(),
            ),
            Row::new("afterwards", say(afterwards), String::new()),
            Row::new(
                "processor time while idle",
                format!("{:.2} % of one processor", cost_idle * 100.0),
                String::new(),
            ),
        ],
        notes: vec![
            "One process is everything: supervisor, unsealers, certificates, DNS, proxy. The \
             figures of the others were measured elsewhere on servers of the same version, not in \
             this run; they do the initialising and unsealing only."
                .to_owned(),
        ],
    }
}

/// Share of one processor.
fn cost_of_idling(id: u32, lasts: Duration) -> f64 {
    let before = process::cpu(id);
    std::thread::sleep(lasts);
    (process::cpu(id) - before).as_secs_f64() / lasts.as_secs_f64()
}

/// Looks at a process again and again and keeps the highest.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Memory>,
}

impl Watch {
    fn start(id: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut highest = Memory::default();
            while !stopped.load(Ordering::Relaxed) {
                let now = process::memory(id);
                if now.resident > highest.resident {
                    highest = now;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            highest
        });
        Self { stop, thread }
    }

    fn stop(self) -> Memory {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
