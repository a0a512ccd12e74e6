//! What Vaultyard's containers have in memory, as their cgroups count it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vaultyard_e2e::journal::{self, Pace};
use vaultyard_e2e::kubernetes::Kube;

use crate::Effort;
use crate::process;
use crate::report::{Report, Row};

/// The most that one process may have while nothing happens, in MiB.
const EACH: f64 = 25.0;
/// What Bank-Vaults' processes for one cluster had in sum, in MiB.
const PEER: f64 = 328.0;
/// The load: each client sends its next write at once.
const WRITERS: usize = 16;

/// One of our containers.
struct Measured {
    /// `unsealer` and so on.
    kind: &'static str,
    process: u32,
    cgroup: Cgroup,
}

/// Where the kernel counts the memory of a container.
struct Cgroup {
    folder: PathBuf,
    /// The files of version 1, or those of version 2.
    current: &'static str,
    inactive: &'static str,
}

/// In MiB.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    /// What counts as used, as `kubectl top` has it: without pages of files that nobody needs.
    working_set: f64,
    /// Of it, what no other process could share.
    anonymous: f64,
}

pub(crate) fn run(effort: Effort) -> Report {
    let cluster = Kube::new();
    let _ = cluster.wait_until_ready();
    let all = ours(&cluster);
    std::thread::sleep(Duration::from_secs(effort.of(60, 5)));
    let idle = all.iter().map(Measured::now).collect::<Vec<_>>();
    let highest = under_load(&cluster, &all, Duration::from_secs(effort.of(30, 5)));
    std::thread::sleep(Duration::from_secs(effort.of(30, 2)));
    let afterwards = all.iter().map(Measured::now).collect::<Vec<_>>();

    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, measured) in all.iter().enumerate() {
        kinds.entry(measured.kind).or_default().push(index);
    }
    let most = |of: &[Use], which: &[usize]| {
        let chosen = which.iter().map(|index| of[*index]);
        chosen.max_by(|a, b| a.working_set.total_cmp(&b.working_set)).unwrap_or_default()
    };
    let sum = |of: &[Use]| {
        of.iter().fold(Use::default(), |sum, one| Use {
            working_set: sum.working_set + one.working_set,
            anonymous: sum.anonymous + one.anonymous,
        })
    };
    let say = |it: Use| format!("{:.1} MiB, {:.1} of it anonymous", it.working_set, it.anonymous);
    let mut rows: Vec<Row> = kinds
        .iter()
        .map(|(kind, which)| {
            let idle = most(&idle, which);
            let what = format!("{kind}, idle, the largest of {}", which.len());
            Row::new(what, say(idle), String::new()).goal("<= 25 MiB", idle.working_set <= EACH)
        })
        .collect();
    rows.extend(kinds.iter().map(|(kind, which)| {
        let what = format!("{kind}, the most under {WRITERS} writers");
        Row::new(what, say(most(&highest, which)), String::new())
    }));
    let idle = sum(&idle);
    rows.push(
        Row::new(format!("all {} of them, idle", all.len()), say(idle), format!("{PEER:.0} MiB"))
            .ratio(idle.working_set / PEER)
            .goal("<= 82 MiB", idle.working_set <= PEER / 4.0),
    );
    let after = say(sum(&afterwards));
    rows.push(Row::new("all of them, after the load", after, String::new()));
    Report {
        against: "Bank-Vaults",
        rows,
        notes: vec![
            "From the cgroups of the containers: what is charged to one, less its inactive pages of \
             files. The kernel charges a page of the program to the first container that touched \
             it, so that the same process counts with and without it. Bank-Vaults was measured \
             elsewhere: operator, configurer and unsealers."
                .to_owned(),
        ],
    }
}

/// The containers that run our image.
fn ours(cluster: &Kube) -> Vec<Measured> {
    let (servers, operations) = (cluster.name().to_owned(), cluster.operations());
    let kinds = [
        (&servers, "server", "unsealer"),
        (&servers, "server", "prover"),
        (&servers, "proxy", "proxy"),
        (&operations, "cluster-controller", "controller"),
        (&operations, "certificates-controller", "controller"),
    ];
    let mut all = Vec::new();
    for (namespace, part, container) in kinds {
        let kind = if container == "controller" { part } else { container };
        for pod in cluster.pods_of(namespace, part) {
            let process = cluster.process_in(namespace, &pod, container);
            let process = process.unwrap_or_else(|| panic!("{container} of {pod} does not run"));
            let process = process.as_raw_nonzero().get().unsigned_abs();
            all.push(Measured { kind, process, cgroup: Cgroup::of(process) });
        }
    }
    assert_eq!(all.len(), 13, "two of each controller, and three of the others");
    all
}

/// The most that each had while clients wrote through the proxies.
fn under_load(cluster: &Kube, all: &[Measured], lasts: Duration) -> Vec<Use> {
    let access = cluster.access();
    journal::provide(&access);
    let pace = Pace { writers: WRITERS, every: Duration::from_millis(1) };
    let writing = journal::start(&access, pace);
    let until = Instant::now() + lasts;
    let mut highest = vec![Use::default(); all.len()];
    while Instant::now() < until {
        for (highest, measured) in std::iter::zip(&mut highest, all) {
            let now = measured.now();
            if now.working_set > highest.working_set {
                *highest = now;
            }
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    println!("{} writes were acknowledged", writing.stop().acknowledged());
    highest
}

impl Measured {
    fn now(&self) -> Use {
        let working_set = self.cgroup.working_set();
        Use { working_set, anonymous: process::memory(self.process).anonymous }
    }
}

impl Cgroup {
    /// The one that a process is in.
    fn of(process: u32) -> Self {
        let lines = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
        let mut memory = lines.lines().filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.split_once(':').filter(|(controllers, _)| *controllers == "memory")
        });
        if let Some((_, path)) = memory.next() {
            let folder = PathBuf::from(format!("/sys/fs/cgroup/memory{path}"));
            return Self {
                folder,
                current: "memory.usage_in_bytes",
                inactive: "total_inactive_file",
            };
        }
        let path = lines.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
        let folder = PathBuf::from(format!("/sys/fs/cgroup{path}"));
        Self { folder, current: "memory.current", inactive: "inactive_file" }
    }

    /// In MiB.
    fn working_set(&self) -> f64 {
        let read = |file: &str| fs::read_to_string(self.folder.join(file)).unwrap();
        let number = |text: &str| text.trim().parse::<f64>().unwrap();
        let stat = read("memory.stat");
        let inactive = stat.lines().find_map(|line| {
            line.split_once(' ')
                .filter(|(name, _)| *name == self.inactive)
                .map(|(_, it)| number(it))
        });
        (number(&read(self.current)) - inactive.unwrap()) / 1024.0 / 1024.0
    }
}
