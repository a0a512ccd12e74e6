//! What tests do to the machines under a cluster. Everybody's clusters run on them, so a test that
//! does something to them has them for itself.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde_json::Value;

use super::registry::own_image;
use super::undo::Undo;
use crate::home::Said;
use crate::wait;

/// The longest that Kubernetes may take to do again what it is told.
const AT_WORK: Duration = Duration::from_secs(120);

static MACHINES: RwLock<()> = RwLock::new(());
/// How many tests share them now.
static SHARED_BY: Mutex<usize> = Mutex::new(0);
static LOOKING: Mutex<()> = Mutex::new(());
/// So many always run beside each other, more only while the processors rest for this part of their time: on
/// a machine that has too much to do probes fail, and what is started again has even more done.
const BESIDE: usize = 2;
const REST: f64 = 0.25;
/// For how long the processors are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The machines, shared with others or not.
#[derive(Debug)]
pub enum Machines<'a> {
    /// Others use them too: nothing may be done to them.
    Shared(Share, RwLockReadGuard<'a, ()>),
    /// Nobody else does.
    Own(RwLockWriteGuard<'a, ()>),
}

/// A part of Kubernetes that can be stopped.
#[derive(Debug, Clone)]
pub enum Part {
    /// The API server.
    ApiServer,
    /// A node's kubelet.
    Kubelet(String),
}

impl Part {
    fn name(&self) -> String {
        match self {
            Self::ApiServer => "apiserver".to_owned(),
            Self::Kubelet(node) => format!("kubelet:{node}"),
        }
    }
}

/// What one of several tests does at once.
#[derive(Debug)]
pub struct Share(());

impl Share {
    fn count() -> MutexGuard<'static, usize> {
        SHARED_BY.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take() -> Self {
        loop {
            if let Some(share) = Self::below(BESIDE) {
                return share;
            }
            // One looks at a time: a second one would see the same rest.
            let _looking = LOOKING.lock().unwrap_or_else(PoisonError::into_inner);
            if processors_rest() > REST {
                *Self::count() += 1;
                return Self(());
            }
        }
    }

    fn below(most: usize) -> Option<Self> {
        let mut count = Self::count();
        let is_below = *count < most;
        *count += usize::from(is_below);
        is_below.then(|| Self(()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *Self::count() -= 1;
    }
}

/// For which part of their time the processors have nothing to do (`/proc/stat`, proc(5)).
fn processors_rest() -> f64 {
    let look = || {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        let ticks = first.split_whitespace().skip(1).filter_map(|word| word.parse::<f64>().ok());
        let ticks: Vec<f64> = ticks.collect();
        // Resting also means to wait for a disk.
        (ticks.iter().skip(3).take(2).sum::<f64>(), ticks.iter().sum::<f64>())
    };
    let (rest, all) = look();
    std::thread::sleep(LOOK);
    let (rest_then, all_then) = look();
    (rest_then - rest) / (all_then - all).max(1.0)
}

impl Machines<'static> {
    /// For a test that leaves them alone.
    #[must_use]
    pub fn shared() -> Self {
        let share = Share::take();
        Self::Shared(share, MACHINES.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For a test that does something to them.
    #[must_use]
    pub fn own() -> Self {
        Self::Own(MACHINES.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a new Deployment gets its pods. After the API server was away each controller of
    /// Kubernetes looks for it anew only after up to half a minute.
    ///
    /// # Panics
    /// When that takes too long, or others use the machines.
    #[track_caller]
    pub fn wait_until_at_work(&self) {
        let words = ["create", "deployment", "at-work", "--namespace=default", "--replicas=3"];
        let image = format!("--image={}", own_image());
        self.kubectl(&[&words[..], &[&image]].concat());
        let words = ["delete", "deployment", "at-work", "--namespace=default"];
        let _undo = Undo::of(self, &words);
        wait("a new Deployment has pods", AT_WORK, || {
            let words = ["get", "pods", "--namespace=default", "--selector=app=at-work"];
            let said = Said::of(Command::new("kubectl").args(words).args(["--output", "json"]));
            let pods: Value = serde_json::from_str(&said.stdout).ok()?;
            let pods = pods["items"].as_array()?;
            let begun = |pod: &Value| pod["status"]["containerStatuses"][0]["imageID"].is_string();
            (pods.len() == 3 && pods.iter().all(begun)).then_some(())
        });
    }
}

impl Machines<'_> {
    /// Stops a part.
    #[track_caller]
    pub fn stop(&self, part: &Part) {
        self.tool(&["stop", &part.name()]);
    }

    /// Starts it again.
    #[track_caller]
    pub fn start(&self, part: &Part) {
        self.tool(&["start", &part.name()]);
    }

    /// Pulls a node's network cable.
    #[track_caller]
    pub fn cut(&self, node: &str) {
        self.tool(&["cut", node]);
    }

    /// Puts it back.
    #[track_caller]
    pub fn join(&self, node: &str) {
        self.tool(&["join", node]);
    }

    /// `kubectl drain`: every pod of the node goes in order, and none comes until it is uncordoned.
    #[track_caller]
    pub fn drain(&self, node: &str) {
        let words = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data"];
        self.kubectl(&[&words[..], &["--timeout=170s"]].concat());
    }

    /// No pod comes to the node any more.
    #[track_caller]
    pub fn cordon(&self, node: &str) {
        self.kubectl(&["cordon", node]);
    }

    /// Lets pods come to the node again.
    #[track_caller]
    pub fn uncordon(&self, node: &str) {
        self.kubectl(&["uncordon", node]);
    }

    #[track_caller]
    fn kubectl(&self, words: &[&str]) {
        assert!(matches!(self, Self::Own(_)), "others use these machines");
        let said = Said::of(Command::new("kubectl").args(words));
        assert_eq!(said.code, Some(0), "kubectl {}: {said:#?}", words.join(" "));
    }

    #[track_caller]
    fn tool(&self, words: &[&str]) {
        assert!(matches!(self, Self::Own(_)), "others use these machines");
        let tool = std::env::var_os("VAULTYARD_CLUSTER_TOOL");
        let tool = tool.expect("VAULTYARD_CLUSTER_TOOL is set: run `cargo xtask test`");
        let said = Said::of(Command::new(tool).arg("cluster").args(words));
        assert_eq!(said.code, Some(0), "{said:#?}");
    }
}
