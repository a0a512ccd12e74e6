//! A node's cgroup, in each hierarchy that the machine has: kubelet puts its pods below it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::layout::Node;
use crate::cluster::process::{Process, until};
use crate::shell::fault;

/// Refuses where no cgroup can be made, without leaving one behind.
pub(super) fn require_writable() -> Result<(), String> {
    hierarchies()?.iter().try_for_each(|hierarchy| {
        let tried = hierarchy.join(format!("vaultyard-try-{}", std::process::id()));
        std::fs::create_dir(&tried)
            .and_then(|()| std::fs::remove_dir(&tried))
            .map_err(|error| not_writable(&tried, &error))
    })
}

fn not_writable(cgroup: &Path, error: &std::io::Error) -> String {
    format!("{}\nthe test cluster needs cgroups that it can write to", fault(cgroup, error))
}

/// Makes the cgroups of a node.
pub(super) fn make(node: &Node) -> Result<(), String> {
    for hierarchy in hierarchies()? {
        let own = hierarchy.join(node.namespace());
        std::fs::create_dir_all(&own).map_err(|error| not_writable(&own, &error))?;
        // In version 1 a new cgroup has no processors and takes no process until it is given some.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let (true, Ok(all)) = (own.join(file).exists(), std::fs::read(hierarchy.join(file)))
            {
                let given = own.join(file);
                std::fs::write(&given, all).map_err(|error| fault(&given, &error))?;
            }
        }
        // In version 2 a cgroup has the controllers that the one above hands on.
        let controllers = hierarchy.join("cgroup.controllers");
        let controllers = std::fs::read_to_string(controllers).unwrap_or_default();
        for controller in controllers.split_whitespace() {
            let handed_on = hierarchy.join("cgroup.subtree_control");
            // Some cannot be handed on here; kubelet names the one that it misses.
            let _ = std::fs::write(handed_on, format!("+{controller}"));
        }
    }
    Ok(())
}

/// Ends what runs in the cgroups of a node. What was being started meanwhile is ended too.
pub(super) fn end(node: &Node) -> Result<(), String> {
    let pods = format!("the end of the pods of {}", node.name);
    until(Duration::from_secs(20), &pods, || {
        let running: Vec<_> = all(node)?
            .iter()
            .flat_map(|cgroup| Process::in_cgroup(cgroup))
            .filter(|process| process.runs())
            .collect();
        running.iter().for_each(|process| process.signal("KILL"));
        Ok(running.is_empty())
    })
}

/// Removes the empty cgroups of a node. The kernel may take a moment to see that they are empty.
pub(super) fn remove(node: &Node) -> Result<(), String> {
    let gone = format!("the removal of the cgroups of {}", node.name);
    until(Duration::from_secs(10), &gone, || {
        for cgroup in all(node)?.iter().rev() {
            match std::fs::remove_dir(cgroup) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(fault(cgroup, &error));
                }
                _ => {}
            }
        }
        Ok(true)
    })
}

/// A node's cgroups, each before those below it.
fn all(node: &Node) -> Result<Vec<PathBuf>, String> {
    let own = hierarchies()?.into_iter().map(|hierarchy| hierarchy.join(node.namespace()));
    let mut open: Vec<PathBuf> = own.filter(|cgroup| cgroup.is_dir()).collect();
    let mut all = Vec::new();
    while let Some(cgroup) = open.pop() {
        // One that vanishes while it is looked at has nothing below it.
        let below = std::fs::read_dir(&cgroup).into_iter().flatten().flatten();
        open.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
        all.push(cgroup);
    }
    Ok(all)
}

/// Where the hierarchies are mounted: many in version 1, one in version 2.
fn hierarchies() -> Result<Vec<PathBuf>, String> {
    let mounts = Path::new("/proc/self/mounts");
    let read = std::fs::read_to_string(mounts).map_err(|error| fault(mounts, &error))?;
    match mounted(&read).as_slice() {
        [] => Err("no cgroup is mounted below /sys/fs/cgroup: the test cluster needs them".into()),
        found => Ok(found.to_vec()),
    }
}

fn mounted(mounts: &str) -> Vec<PathBuf> {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let cgroups = fields.filter(|line| matches!(line.as_slice(), [_, _, "cgroup" | "cgroup2", ..]));
    let mut places: Vec<_> = cgroups
        .map(|line| PathBuf::from(line[1]))
        .filter(|path| path.starts_with("/sys/fs/cgroup"))
        .collect();
    places.sort();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hierarchy_is_found_once_and_nothing_else() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n\
            cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
            cgroup2 /elsewhere cgroup2 rw 0 0\n\
            cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n";
        let expected = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        assert_eq!(mounted(mounts), expected);
        assert_eq!(mounted("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n").len(), 1);
    }
}
