//! Network namespaces: one for each node, joined by a bridge in the fabric. Nothing of it reaches
//! the machine's own network, nor the other way round.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cluster::layout::{
    FABRIC, FABRIC_ADDRESS, NODES, Node, SERVICES, namespace_file, namespaces, within,
};
use crate::shell;

/// Makes namespaces, cables and routes.
pub(super) fn make() -> Result<(), String> {
    for namespace in namespaces() {
        shell::output(Command::new("ip").args(["netns", "add", &namespace]))?;
    }
    batch(FABRIC, &fabric())?;
    for node in &NODES {
        batch(&node.namespace(), &routes(node))?;
    }
    for namespace in namespaces() {
        let mut forward = within(&namespace, "sh");
        forward.args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        shell::output(&mut forward)?;
    }
    Ok(())
}

/// The bridge, the cables and the fabric's routes. The API server calls webhooks by the addresses of
/// their Services, which the first node's kube-proxy answers.
fn fabric() -> String {
    let mut lines = format!(
        "link set lo up\nlink add bridge type bridge\nlink set bridge up\n\
         addr add {FABRIC_ADDRESS}/24 dev bridge\n"
    );
    for node in &NODES {
        let (namespace, port) = (node.namespace(), node.port());
        lines += &format!(
            "link add {port} type veth peer name eth0 netns {namespace}\n\
             link set {port} master bridge up\n\
             route add {} via {}\n",
            node.pods(),
            node.address()
        );
    }
    lines + &format!("route add {SERVICES} via {}\n", NODES[0].address())
}

/// A node's address, and its way to the pods of the others.
fn routes(node: &Node) -> String {
    let mut lines = format!(
        "link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n\
         route add default via {FABRIC_ADDRESS}\n",
        node.address()
    );
    for other in NODES.iter().filter(|other| *other != node) {
        lines += &format!("route add {} via {}\n", other.pods(), other.address());
    }
    lines
}

/// Has `ip` carry out several lines in one namespace.
fn batch(namespace: &str, lines: &str) -> Result<(), String> {
    let mut ip = Command::new("ip");
    ip.args(["-n", namespace, "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ip.spawn().map_err(|error| format!("cannot start ip (iproute2): {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.as_bytes()).map_err(|error| format!("ip -batch: {error}"))?;
    }
    let done = child.wait_with_output().map_err(|error| format!("ip -batch: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!(
        "cannot lay the network of {namespace}: the kernel needs network namespaces, veth and \
         bridge\n{said}in:\n{lines}"
    ))
}

/// Pulls a node's cable out of the fabric, or puts it back.
pub(super) fn set_cable(node: &Node, state: &str) -> Result<(), String> {
    let mut set = Command::new("ip");
    shell::output(set.args(["-n", FABRIC, "link", "set", &node.port(), state])).map(drop)
}

/// Whether a node's cable is in.
pub(super) fn is_joined(node: &Node) -> Result<bool, String> {
    let mut show = Command::new("ip");
    let said = shell::output(show.args(["-n", FABRIC, "-json", "link", "show", &node.port()]))?;
    let links: Value =
        serde_json::from_slice(&said).map_err(|error| format!("ip link show: {error}"))?;
    Ok(is_up(&links))
}

/// Whether somebody has set the link down; what it finds at its other end does not matter.
fn is_up(links: &Value) -> bool {
    links[0]["flags"].as_array().into_iter().flatten().any(|flag| flag == "UP")
}

/// The namespaces of our names that are there.
pub(super) fn present() -> Vec<String> {
    namespaces().into_iter().filter(|namespace| namespace_file(namespace).exists()).collect()
}

/// Removes the namespaces, and with them cables, routes and rules.
pub(super) fn remove() -> Result<(), String> {
    for namespace in present() {
        // One that was cut off while it was made is a file and no namespace, which `ip` unmounts
        // in vain and removes all the same.
        let deleted = shell::output(Command::new("ip").args(["netns", "delete", &namespace]));
        if namespace_file(&namespace).exists() {
            deleted?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cable_is_in_unless_somebody_has_pulled_it() {
        let link = |flags: &[&str]| json!([{"ifname": "port1", "flags": flags}]);
        assert!(is_up(&link(&["BROADCAST", "UP", "LOWER_UP"])));
        assert!(is_up(&link(&["NO-CARRIER", "BROADCAST", "UP"])));
        assert!(!is_up(&link(&["BROADCAST", "MULTICAST"])));
        assert!(!is_up(&json!([])));
    }

    #[test]
    fn a_node_knows_the_way_to_the_pods_of_the_others_and_none_to_its_own() {
        let lines = routes(&NODES[1]);
        assert!(lines.contains("route add 10.244.1.0/24 via 10.99.0.11\n"), "{lines}");
        assert!(lines.contains("route add 10.244.3.0/24 via 10.99.0.13\n"), "{lines}");
        assert!(!lines.contains("10.244.2.0/24"), "{lines}");
    }
}
