//! What all pods of a cluster write, kept while a test does something to them: a pod that goes takes its
//! log along.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::Kube;

/// What is shown around a moment.
const BEFORE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(2);

/// The logs of a cluster's pods, from the moments on when they were followed.
#[derive(Debug)]
pub struct Logs<'a> {
    cluster: &'a Kube,
    followed: BTreeSet<String>,
    followers: Vec<Follower>,
}

/// A `kubectl logs --follow` of one pod; dropped, it ends.
#[derive(Debug)]
struct Follower {
    pod: String,
    kubectl: Child,
    log: NamedTempFile,
}

impl<'a> Logs<'a> {
    /// Of the pods that there are.
    #[must_use]
    pub fn follow(cluster: &'a Kube) -> Self {
        let mut logs = Self { cluster, followed: BTreeSet::new(), followers: Vec::new() };
        logs.follow_new();
        logs
    }

    /// Follows the pods too that have come since.
    ///
    /// # Panics
    /// When `kubectl` cannot be started.
    pub fn follow_new(&mut self) {
        for pod in self.cluster.pods().unwrap_or_default() {
            let metadata = &pod["metadata"];
            let (Some(name), Some(uid)) = (metadata["name"].as_str(), metadata["uid"].as_str())
            else {
                continue;
            };
            if self.followed.insert(uid.to_owned()) {
                self.followers.push(Follower::of(self.cluster.name(), name));
            }
        }
    }

    /// Every line around this moment, of all pods, in the order of time.
    #[must_use]
    pub fn around(&self, moment: Timestamp) -> String {
        let (from, until) = (moment - BEFORE, moment + AFTER);
        let mut lines = Vec::new();
        for Follower { pod, log, .. } in &self.followers {
            let text = std::fs::read_to_string(log.path()).unwrap_or_default();
            lines.extend(text.lines().filter_map(|line| {
                let (time, said) = line.split_once(' ')?;
                let time: Timestamp = time.parse().ok()?;
                (from..=until).contains(&time).then(|| (time, format!("{time} {pod}: {said}")))
            }));
        }
        lines.sort();
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }
}

impl Follower {
    fn of(namespace: &str, pod: &str) -> Self {
        let log = NamedTempFile::new().expect("a file for a log");
        let file = log.reopen().expect("a file for a log");
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["--namespace", namespace, "logs", pod, "--follow", "--timestamps"]);
        kubectl.args(["--all-containers", "--max-log-requests=9"]);
        kubectl.stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
        Self { pod: pod.to_owned(), kubectl: kubectl.spawn().expect("kubectl starts"), log }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.kubectl.kill().ok();
        self.kubectl.wait().ok();
    }
}
