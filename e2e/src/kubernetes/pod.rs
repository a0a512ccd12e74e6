//! The processes of a pod, as the machine sees them: all nodes are on it.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Kube;
use crate::wait;

/// A container of a server's pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// The server.
    Server,
    /// Its sidecar.
    Unsealer,
    /// What proves snapshots beside it.
    Prover,
}

impl Container {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Unsealer => "unsealer",
            Self::Prover => "prover",
        }
    }
}

impl Kube {
    /// Sends a signal to the process of a container.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn signal(&self, pod: &str, container: Container, signal: Signal) {
        let id = self.process(pod, container.name());
        let id = id.unwrap_or_else(|| panic!("{container:?} of {pod} does not run"));
        kill_process(id, signal).unwrap();
    }

    /// `kill -9` to the servers in these pods, all at once.
    #[track_caller]
    pub fn kill(&self, servers: &[&str]) {
        let ids: Vec<Pid> =
            servers.iter().filter_map(|pod| self.process(pod, Container::Server.name())).collect();
        assert_eq!(ids.len(), servers.len(), "not all of {servers:?} run");
        ids.iter().for_each(|id| kill_process(*id, Signal::KILL).unwrap());
    }

    /// How often a container of a pod was started again.
    #[must_use]
    pub fn restarts(&self, pod: &str, container: Container) -> Option<u64> {
        self.restarts_in(self.name(), pod, container.name())
    }

    /// The same of any pod.
    #[must_use]
    pub fn restarts_in(&self, namespace: &str, pod: &str, container: &str) -> Option<u64> {
        let pod = self.pod_in(namespace, pod)?;
        state_of(&pod, container)?["restartCount"].as_u64()
    }

    /// Does `harm` to the servers in these pods and waits until kubelet has started each anew, and
    /// until all is `Ready` again.
    #[track_caller]
    pub fn recovers_from(&self, servers: &[&str], harm: impl FnOnce(&Self)) {
        let before: Vec<_> =
            servers.iter().map(|pod| self.restarts(pod, Container::Server)).collect();
        harm(self);
        for (pod, before) in servers.iter().zip(before) {
            wait(&format!("{pod} is started anew"), Duration::from_secs(120), || {
                let now = self.restarts(pod, Container::Server);
                (now.is_some() && now != before).then_some(())
            });
        }
        let _ = self.wait_until_ready();
    }

    /// Deletes pods at once and waits until others have taken their places.
    #[track_caller]
    pub fn delete_pods(&self, pods: &[&str]) {
        let uid = |pod: &str| Some(self.pod(pod)?["metadata"]["uid"].clone());
        let before: Vec<_> = pods.iter().map(|pod| uid(pod)).collect();
        let _ = self.kubectl(&[&["delete", "pod", "--wait=false"], pods].concat());
        for (pod, before) in pods.iter().zip(before) {
            wait(&format!("{pod} is another one"), Duration::from_secs(120), || {
                let now = uid(pod);
                (now.is_some() && now != before).then_some(())
            });
        }
    }

    /// The node that a pod is on.
    ///
    /// # Panics
    /// When there is no such pod.
    #[must_use]
    #[track_caller]
    pub fn node_of(&self, pod: &str) -> String {
        let pod = self.pod(pod).expect("the pod is there");
        pod["spec"]["nodeName"].as_str().expect("it is on a node").to_owned()
    }

    /// `kill -9` to a container of any pod.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn kill_pod(&self, namespace: &str, pod: &str, container: &str) {
        assert!(self.try_kill_pod(namespace, pod, container), "{container} of {pod} does not run");
    }

    /// The same, when it runs; whether it did.
    pub fn try_kill_pod(&self, namespace: &str, pod: &str, container: &str) -> bool {
        let id = self.process_in(namespace, pod, container);
        id.is_some_and(|id| kill_process(id, Signal::KILL).is_ok())
    }

    /// Where the machine sees the files of a container.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    #[track_caller]
    pub fn files_of(&self, pod: &str, container: Container) -> PathBuf {
        let id = self.process(pod, container.name());
        let id = id.unwrap_or_else(|| panic!("{container:?} of {pod} does not run"));
        PathBuf::from(format!("/proc/{}/root", id.as_raw_nonzero()))
    }

    /// The process that a container was started with.
    fn process(&self, pod: &str, container: &str) -> Option<Pid> {
        self.process_in(self.name(), pod, container)
    }

    /// The process that a container of any pod was started with.
    #[must_use]
    pub fn process_in(&self, namespace: &str, pod: &str, container: &str) -> Option<Pid> {
        let pod = self.pod_in(namespace, pod)?;
        let id = state_of(&pod, container)?["containerID"].as_str()?.to_owned();
        let id = id.rsplit_once("//")?.1.to_owned();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let numbers = processes.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
        let within = numbers.filter(|number| {
            let cgroups = std::fs::read_to_string(format!("/proc/{number}/cgroup"));
            cgroups.is_ok_and(|cgroups| cgroups.contains(&id))
        });
        within.min().and_then(Pid::from_raw)
    }
}

fn state_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let of = |list: &str| pod["status"][list].as_array().into_iter().flatten();
    let mut all = of("initContainerStatuses").chain(of("containerStatuses"));
    all.find(|state| state["name"] == container)
}
