//! A server's process is killed: from its next process to an unsealed server and to a pod that counts
//! as ready.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vaultyard_e2e::Client;
use vaultyard_e2e::kubernetes::Kube;

use super::pods::{Pods, container, is_ready};
use crate::bare::until;
use crate::report::{Report, Row};
use crate::samples::{Samples, median_and_max};
use crate::{Effort, runtime};

/// How long kubelet may take to start a container again.
const STARTED_AGAIN: Duration = Duration::from_secs(60);

/// What was measured of standbys or of leaders.
#[derive(Default)]
struct Times {
    /// From the death of the process to the start of the next: kubelet's own time.
    back: Samples,
    /// From there to 200 or 429.
    unsealed: Samples,
    /// From there until Kubernetes counts the pod as ready.
    ready: Samples,
}

pub(crate) fn run(effort: Effort) -> Report {
    let (mut standby, mut leader) = (Times::default(), Times::default());
    // Kubelet waits before it starts a container for the third time, so each server dies once.
    for _ in 0..effort.of(5, 1) {
        let cluster = Kube::new();
        let leads = cluster.leader();
        let follow = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
        for name in follow.iter().filter(|name| **name != leads) {
            let _ = cluster.wait_until_ready();
            kill(&cluster, name, &mut standby);
        }
        let _ = cluster.wait_until_ready();
        // The leader is the same one still: only standbys died.
        kill(&cluster, &leads, &mut leader);
    }
    let row = |what: &str, samples: &Samples, peer: &str, most: f64| {
        Row::new(what, median_and_max(samples), peer.to_owned())
            .goal(&format!("median < {most:.0} s"), samples.median() < most)
    };
    Report {
        against: "Bank-Vaults",
        rows: vec![
            row("a killed standby is unsealed", &standby.unsealed, "3.45 s", 1.0),
            row("a killed leader is unsealed", &leader.unsealed, "2.30 s", 1.0),
            row("a killed standby's pod is ready", &standby.ready, "", 3.0),
            row("a killed leader's pod is ready", &leader.ready, "", 3.0),
        ],
        notes: vec![format!(
            "{} standbys and {} leaders, each server killed once with `kill -9`; counted from the \
             start of its next process. From its death to that start, which is kubelet's time: \
             standbys {}, leaders {}. Bank-Vaults was measured elsewhere.",
            standby.back.count(),
            leader.back.count(),
            median_and_max(&standby.back),
            median_and_max(&leader.back),
        )],
    }
}

fn kill(cluster: &Kube, name: &str, times: &mut Times) {
    let access = cluster.server_access(name);
    let uid = cluster.pod(name).unwrap()["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap();
    let before = server_of(uid).unwrap();
    let mut pods = Pods::watch(cluster.name());
    let (_, restarts) = pods.until("the pod is known", |pods| {
        container(pods.get(name)?, "server")?["restartCount"].as_u64()
    });
    kill_process(before, Signal::KILL).unwrap();
    let killed = Instant::now();
    while server_of(uid).is_none_or(|process| process == before) {
        assert!(killed.elapsed() < STARTED_AGAIN, "{name} was not started again");
        std::thread::sleep(Duration::from_millis(2));
    }
    let back = Instant::now();
    runtime().block_on(async {
        let unsealed = |answer: &vaultyard_e2e::Answer| matches!(answer.status, 200 | 429);
        until(&mut Client::new(&access), "sys/health", unsealed).await;
    });
    let unsealed = back.elapsed();
    let (ready, ()) = pods.until("the pod is ready again", |pods| {
        let pod = pods.get(name)?;
        let now = container(pod, "server")?["restartCount"].as_u64()?;
        (now > restarts && is_ready(pod)).then_some(())
    });
    let ready = ready.saturating_duration_since(back);
    println!("{name}: back {:.3?}, unsealed {unsealed:.3?}, ready {ready:.3?}", back - killed);
    times.back.push((back - killed).as_secs_f64());
    times.unsealed.push(unsealed.as_secs_f64());
    times.ready.push(ready.as_secs_f64());
}

/// The process of the server in the pod with this id; all nodes are on this machine.
fn server_of(pod: &str) -> Option<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    let read = |number: i32, what: &str| fs::read(format!("/proc/{number}/{what}"));
    let found = numbers.find(|number| {
        let holds = |what: &str, word: &str| {
            read(*number, what).is_ok_and(|it| String::from_utf8_lossy(&it).contains(word))
        };
        holds("cmdline", "\0-config=") && holds("cgroup", pod)
    });
    found.and_then(Pid::from_raw)
}
