//! What tests do to a running cluster: parts stopped, nodes cut off.

use std::time::Duration;

use crate::cluster::layout::{Layout, NODES, Node};
use crate::cluster::process::{self, Daemon};
use crate::cluster::programs::Programs;
use crate::cluster::{control_plane, network, node, ownership, services};

/// How long a part may take to end in good order. The API server would wait for the watches of others
/// for longer than a test.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stops a part; one that is stopped already stays so.
pub(super) fn stop(layout: &Layout, programs: &Programs, part: &str) -> Result<(), String> {
    let daemon = named(layout, programs, part)?;
    let _held = ownership::lock()?;
    match process::running(layout, &daemon.name) {
        Some(process) => process.end(PATIENCE),
        None => Ok(()),
    }
}

/// Starts a part that was stopped, and waits for the API server if it is that.
pub(super) fn start(layout: &Layout, programs: &Programs, part: &str) -> Result<(), String> {
    let daemon = named(layout, programs, part)?;
    let _held = ownership::lock()?;
    if process::running(layout, &daemon.name).is_none() {
        process::start(layout, &daemon)?;
    }
    if part == "apiserver" { control_plane::await_api_server(layout, programs) } else { Ok(()) }
}

/// Cuts a node off the network.
pub(super) fn cut(name: &str) -> Result<(), String> {
    network::set_cable(Node::named(name)?, "down")
}

/// Joins it again.
pub(super) fn join(name: &str) -> Result<(), String> {
    network::set_cable(Node::named(name)?, "up")
}

fn named(layout: &Layout, programs: &Programs, part: &str) -> Result<Daemon, String> {
    let mut parts = vec![
        control_plane::store(layout),
        control_plane::api_server(layout, programs),
        services::registry(layout),
        services::dns(layout, programs),
    ];
    parts.extend(control_plane::deciders(layout, programs));
    for node in &NODES {
        parts.push(node::runtime(layout, node));
        parts.push(node::kubelet(layout, programs, node));
        parts.push(node::proxy(layout, programs, node));
    }
    let names: Vec<_> = parts.iter().map(|part| part.name.clone()).collect();
    let found = parts.into_iter().find(|daemon| daemon.name == part);
    found.ok_or_else(|| format!("there is no part {part:?}: they are {}", names.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_by_its_name_and_an_unknown_one_is_refused_with_all_names() {
        let layout = Layout { state: "/state".into() };
        let (checksum, version) = (String::new(), String::new());
        let programs = Programs { folder: "/programs".into(), checksum, version };
        let kubelet = named(&layout, &programs, "kubelet:node-b").unwrap();
        assert_eq!(kubelet.command[0], "/programs/kubelet");

        let Err(refused) = named(&layout, &programs, "kubelet") else { panic!("found") };
        assert!(refused.starts_with("there is no part \"kubelet\": they are etcd apiserver"));
        assert!(refused.contains("kubelet:node-a") && !refused.contains("node:node-a "));
    }
}
