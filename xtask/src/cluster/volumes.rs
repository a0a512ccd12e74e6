//! Local volumes: folders on each node, each with an object that offers it to one pod.

use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::control_plane::{apply, kubectl};
use crate::cluster::layout::{Layout, NODES, Node};
use crate::cluster::programs::Programs;
use crate::shell::{self, fault, remove, write};

/// How many volumes a node has: enough for all clusters of a test run, one after another.
const A_NODE: usize = 80;

/// Makes every volume that is not there.
pub(super) fn make(layout: &Layout, programs: &Programs) -> Result<(), String> {
    let mut offers = Vec::new();
    for node in &NODES {
        for number in 0..A_NODE {
            let folder = layout.volumes(node).join(format!("{number:02}"));
            empty(&folder)?;
            offers.push(offer(node, number, &folder));
        }
    }
    create(layout, programs, &offers)
}

/// Wipes volumes whose claims are gone and offers them anew; says which.
pub(super) fn renew(layout: &Layout, programs: &Programs) -> Result<Vec<String>, String> {
    let mut get = kubectl(layout, programs);
    let said = shell::output(get.args(["get", "persistentvolumes", "-o", "json"]))?;
    let list: Value = serde_json::from_slice(&said)
        .map_err(|error| format!("kubectl get persistentvolumes: {error}"))?;
    let released: Vec<_> =
        list["items"].as_array().into_iter().flatten().filter_map(name_of_released).collect();
    if released.is_empty() {
        return Ok(released);
    }
    let mut delete = kubectl(layout, programs);
    delete.args(["delete", "persistentvolume", "--wait"]).args(&released);
    shell::output(&mut delete)?;
    let mut offers = Vec::new();
    for node in &NODES {
        for number in 0..A_NODE {
            if released.contains(&name(node, number)) {
                let folder = layout.volumes(node).join(format!("{number:02}"));
                remove(&folder)?;
                empty(&folder)?;
                offers.push(offer(node, number, &folder));
            }
        }
    }
    create(layout, programs, &offers)?;
    Ok(released)
}

/// The name of a volume of ours whose claim is gone.
fn name_of_released(volume: &Value) -> Option<String> {
    let ours = volume["spec"]["storageClassName"] == "local";
    let released = matches!(volume["status"]["phase"].as_str(), Some("Released" | "Failed"));
    let name = volume["metadata"]["name"].as_str()?;
    (ours && released).then(|| name.to_owned())
}

/// An empty folder that pods may write to, whoever they run as.
fn empty(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::set_permissions(folder, everybody))
        .map_err(|error| fault(folder, &error))
}

fn name(node: &Node, number: usize) -> String {
    format!("{}-{number:02}", node.name)
}

/// The object that offers a folder.
fn offer(node: &Node, number: usize, folder: &Path) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name(node, number)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "10Gi"},
            "local": {"path": folder},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]},
            ]}]}},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "local",
        },
    })
}

fn create(layout: &Layout, programs: &Programs, offers: &[Value]) -> Result<(), String> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": offers});
    write(&layout.kubernetes("volumes.json"), list.to_string())?;
    apply(layout, programs, "volumes.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_volumes_of_ours_whose_claim_is_gone_are_wiped() {
        let volume = |class: &str, phase: &str| {
            name_of_released(&json!({
                "metadata": {"name": "node-a-00"},
                "spec": {"storageClassName": class}, "status": {"phase": phase},
            }))
        };
        assert_eq!(volume("local", "Released").as_deref(), Some("node-a-00"));
        assert_eq!(volume("local", "Bound"), None);
        assert_eq!(volume("local", "Available"), None);
        assert_eq!(volume("another", "Released"), None);
    }
}
