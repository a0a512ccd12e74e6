//! Names, addresses and files of the test cluster, said once.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// The network namespace that joins the nodes; registry, control plane and DNS run in it too.
pub(super) const FABRIC: &str = "vaultyard-fabric";

/// Where the fabric is found by nodes and pods.
pub(super) const FABRIC_ADDRESS: &str = "10.99.0.1";

/// What is known of the cluster machine-wide, as the names of its namespaces are. Gone after a restart
/// of the machine, as they are.
pub(super) const RUN: &str = "/run/vaultyard-test-cluster";

/// Where `ip netns` keeps namespaces.
pub(super) const NAMESPACES: &str = "/run/netns";

/// The registry, as images name it.
pub(super) const REGISTRY: &str = "10.99.0.1:5000";

/// Which addresses Services have.
pub(super) const SERVICES: &str = "10.96.0.0/16";

/// A pretended machine: namespaces and a cgroup of its own.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub name: &'static str,
    pub zone: &'static str,
    ordinal: u8,
}

/// One node a zone.
pub(super) const NODES: [Node; 3] = [
    Node { name: "node-a", zone: "local-a", ordinal: 1 },
    Node { name: "node-b", zone: "local-b", ordinal: 2 },
    Node { name: "node-c", zone: "local-c", ordinal: 3 },
];

impl Node {
    /// The node that a person names.
    pub(super) fn named(name: &str) -> Result<&'static Self, String> {
        let named = NODES.iter().find(|node| node.name == name);
        named
            .ok_or_else(|| format!("there is no node {name:?}: they are node-a, node-b and node-c"))
    }

    /// Its network namespace; its cgroup has the same name.
    pub(super) fn namespace(&self) -> String {
        format!("vaultyard-{}", self.name)
    }

    /// The end of its cable in the fabric.
    pub(super) fn port(&self) -> String {
        format!("port{}", self.ordinal)
    }

    pub(super) fn address(&self) -> String {
        format!("10.99.0.1{}", self.ordinal)
    }

    /// The addresses of its pods.
    pub(super) fn pods(&self) -> String {
        format!("10.244.{}.0/24", self.ordinal)
    }
}

/// All network namespaces of the cluster.
pub(super) fn namespaces() -> Vec<String> {
    let nodes = NODES.iter().map(Node::namespace);
    std::iter::once(FABRIC.to_owned()).chain(nodes).collect()
}

/// The file that keeps a network namespace alive.
pub(super) fn namespace_file(namespace: &str) -> PathBuf {
    Path::new(NAMESPACES).join(namespace)
}

/// A command that runs in a network namespace and sees the machine's files as they are. `ip netns
/// exec` would mount another /sys and hide the cgroups.
pub(super) fn within(namespace: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    let file = namespace_file(namespace);
    command.arg(format!("--net={}", file.display())).arg("--").arg(program);
    command
}

/// Where everything of one cluster lies: `target/test-cluster`.
pub(super) struct Layout {
    /// Absolute, because servers start elsewhere and are given paths in it.
    pub state: PathBuf,
}

/// The folder of the logs, in the state.
const LOGS: &str = "logs";

impl Layout {
    pub(super) fn of_this_checkout() -> Self {
        Self { state: shell::root().join("target/test-cluster") }
    }

    /// The logs, kept after the cluster is gone until there is another.
    pub(super) fn logs(&self) -> PathBuf {
        self.state.join(LOGS)
    }

    pub(super) fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// Everything of the state but the logs.
    pub(super) fn remains(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.state) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path());
        paths.filter(|path| !path.ends_with(LOGS)).collect()
    }

    /// Which process it is: its id, and when it was started.
    pub(super) fn pid(&self, process: &str) -> PathBuf {
        self.state.join("pids").join(process)
    }

    pub(super) fn kubernetes(&self, file: &str) -> PathBuf {
        self.state.join("kubernetes").join(file)
    }

    /// A certificate or key of the control plane.
    pub(super) fn pki(&self, file: &str) -> PathBuf {
        self.kubernetes("pki").join(file)
    }

    pub(super) fn node(&self, node: &Node) -> PathBuf {
        self.state.join("nodes").join(node.name)
    }

    pub(super) fn volumes(&self, node: &Node) -> PathBuf {
        self.state.join("volumes").join(node.name)
    }

    /// A folder of a node, found there at `path`.
    pub(super) fn own(&self, node: &Node, path: &str) -> PathBuf {
        self.node(node).join("own").join(path.trim_start_matches('/'))
    }

    /// Written last by `up`: which programs the cluster was made of.
    pub(super) fn finished(&self) -> PathBuf {
        self.state.join("up")
    }
}

/// The template with each `{{name}}` replaced by its value.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&["{{", name, "}}"].concat(), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::{remove, write};

    #[test]
    fn a_template_gets_its_values() {
        assert_eq!(fill("a: {{one}}/{{two}} {{one}}", &[("one", "1"), ("two", "2")]), "a: 1/2 1");
    }

    #[test]
    fn a_node_that_is_none_is_refused_by_name() {
        assert_eq!(Node::named("node-b").unwrap().address(), "10.99.0.12");
        let refused = Node::named("node-d").unwrap_err();
        assert_eq!(refused, "there is no node \"node-d\": they are node-a, node-b and node-c");
    }

    #[test]
    fn only_the_logs_do_not_count_as_remains() {
        let state = std::env::temp_dir().join(format!("vaultyard-remains-{}", std::process::id()));
        let layout = Layout { state };
        write(&layout.log("etcd"), "kept").unwrap();
        assert_eq!(layout.remains(), [] as [PathBuf; 0]);
        write(&layout.finished(), "programs").unwrap();
        assert_eq!(layout.remains(), [layout.finished()]);
        remove(&layout.state).unwrap();
    }
}
