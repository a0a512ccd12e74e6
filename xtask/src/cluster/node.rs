//! A node: what a machine of a real cluster runs, in namespaces and a cgroup of its own.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::layout::{FABRIC_ADDRESS, Layout, NODES, Node, REGISTRY, fill};
use crate::cluster::process::{Daemon, Place, founder, until};
use crate::cluster::programs::Programs;
use crate::cluster::{cgroups, control_plane, places, process};
use crate::shell::{remove, write};
use crate::{image, shell};

/// Makes a node's namespaces and starts its container runtime.
pub(super) fn found(layout: &Layout, node: &'static Node) -> Result<(), String> {
    cgroups::make(node)?;
    write_configuration(layout, node)?;
    let folder = layout.node(node);
    let ready = folder.join("ready");
    remove(&ready)?;
    let script = ["sh", "-c", include_str!("templates/node.sh"), "node"].map(str::to_owned);
    let name = founder(node);
    let words = [folder.display().to_string(), node.name.to_owned()];
    let own = places::OWN.map(str::to_owned);
    let command = script.into_iter().chain(words).chain(own).collect();
    process::start(layout, &Daemon { name, place: Place::Founding(node), command })?;
    let log = layout.log(&founder(node));
    until(Duration::from_secs(10), &format!("the file system of {}", node.name), || {
        Ok(ready.exists())
    })
    .map_err(|reason| format!("{reason}\nits log: {}", log.display()))?;
    process::start(layout, &runtime(layout, node))
}

fn write_configuration(layout: &Layout, node: &Node) -> Result<(), String> {
    let folder = layout.node(node);
    let pki = layout.kubernetes("pki");
    let pause = format!("{REGISTRY}/{}", image::PAUSE);
    let values = [
        ("folder", &*folder.to_string_lossy()),
        ("pki", &*pki.to_string_lossy()),
        ("namespace", &node.namespace()),
        ("pods", &node.pods()),
        ("registry", REGISTRY),
        ("pause", &pause),
    ];
    let put = |file: PathBuf, template: &str| write(&file, fill(template, &values));
    put(folder.join("kubelet.yaml"), include_str!("templates/kubelet.yaml"))?;
    put(folder.join("containerd.toml"), include_str!("templates/containerd.toml"))?;
    put(folder.join("resolv.conf"), &format!("nameserver {FABRIC_ADDRESS}\n"))?;
    let network = layout.own(node, places::CNI).join("10-bridge.conflist");
    put(network, include_str!("templates/cni.conflist"))?;
    let registry = layout.own(node, places::REGISTRIES).join(REGISTRY).join("hosts.toml");
    put(registry, include_str!("templates/hosts.toml"))
}

fn named(part: &str, node: &'static Node, command: Vec<String>) -> Daemon {
    Daemon { name: format!("{part}:{}", node.name), place: Place::Within(node), command }
}

/// containerd.
pub(super) fn runtime(layout: &Layout, node: &'static Node) -> Daemon {
    let configuration = layout.node(node).join("containerd.toml").display().to_string();
    named("containerd", node, vec!["containerd".to_owned(), "--config".to_owned(), configuration])
}

/// kubelet.
pub(super) fn kubelet(layout: &Layout, programs: &Programs, node: &'static Node) -> Daemon {
    let Node { name, zone, .. } = node;
    let words = [
        programs.path("kubelet"),
        format!("--config={}", layout.node(node).join("kubelet.yaml").display()),
        format!("--kubeconfig={}", layout.kubernetes(&format!("{name}.conf")).display()),
        format!("--hostname-override={name}"),
        format!("--node-ip={}", node.address()),
        format!(
            "--node-labels=topology.kubernetes.io/region=local,topology.kubernetes.io/zone={zone}"
        ),
        "--v=2".to_owned(),
    ];
    named("kubelet", node, words.to_vec())
}

/// kube-proxy, which must not touch the connection tracking of the whole machine.
pub(super) fn proxy(layout: &Layout, programs: &Programs, node: &'static Node) -> Daemon {
    let words = [
        programs.path("kube-proxy"),
        format!("--kubeconfig={}", layout.kubernetes("kube-proxy.conf").display()),
        "--proxy-mode=iptables".to_owned(),
        "--cluster-cidr=10.244.0.0/16".to_owned(),
        format!("--hostname-override={}", node.name),
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0s".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
        "--oom-score-adj=0".to_owned(),
    ];
    named("kube-proxy", node, words.to_vec())
}

/// The names of the nodes that are Ready.
pub(super) fn ready(layout: &Layout, programs: &Programs) -> Result<Vec<String>, String> {
    let mut get = control_plane::kubectl(layout, programs);
    get.args(["--request-timeout=5s", "get", "nodes", "-o", "json"]);
    let said = shell::output(&mut get)?;
    let list: serde_json::Value =
        serde_json::from_slice(&said).map_err(|error| format!("kubectl get nodes: {error}"))?;
    let nodes = list["items"].as_array().into_iter().flatten();
    let ready = nodes.filter(|node| is_ready(node));
    Ok(ready.filter_map(|node| node["metadata"]["name"].as_str()).map(str::to_owned).collect())
}

fn is_ready(node: &serde_json::Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .filter(|condition| condition["type"] == "Ready")
        .any(|condition| condition["status"] == "True")
}

/// Waits until all nodes are Ready.
pub(super) fn await_all(layout: &Layout, programs: &Programs) -> Result<(), String> {
    let logs = layout.log("kubelet:NODE");
    until(Duration::from_secs(90), "the readiness of all nodes", || {
        ready(layout, programs).map(|ready| ready.len() == NODES.len())
    })
    .map_err(|reason| format!("{reason}\nlogs: {}", logs.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_it_says_so_itself() {
        let node = |status: &str| {
            serde_json::json!({"status": {"conditions": [
                {"type": "MemoryPressure", "status": "True"},
                {"type": "Ready", "status": status}
            ]}})
        };
        assert!(is_ready(&node("True")));
        assert!(!is_ready(&node("Unknown")));
        assert!(!is_ready(&serde_json::json!({})));
    }
}
