//! The cluster brought up and taken down, whatever state an earlier run has left.

use std::time::{Duration, Instant};

use crate::cluster::layout::{
    FABRIC, FABRIC_ADDRESS, Layout, NODES, fill, namespace_file, namespaces,
};
use crate::cluster::process::{Process, names, running, start, until};
use crate::cluster::programs::Programs;
use crate::cluster::{
    cgroups, control_plane, machine, network, node, ownership, places, programs, services, volumes,
};
use crate::shell::{remove, write};

/// What was done so far, a line a step.
struct Steps {
    began: Instant,
}

impl Steps {
    fn begin() -> Self {
        Self { began: Instant::now() }
    }

    fn done(&self, what: &str) {
        println!("[{:5.1} s] {what}", self.began.elapsed().as_secs_f64());
    }
}

/// Brings the cluster up. One that is up is only made whole again: nodes that were cut off are joined,
/// and volumes whose claims are gone are offered anew.
pub(super) fn up(layout: &Layout) -> Result<(), String> {
    machine::require_root()?;
    let _held = ownership::lock()?;
    machine::check(layout)?;
    let programs = programs::ready()?;
    match judge(&look(layout), &programs) {
        There::Whole => {
            println!("the cluster is up already");
            return freshen(layout, &programs).map_err(|reason| unfinished(layout, &reason));
        }
        There::Nothing => {}
        There::Remains(why) => {
            println!("clearing away what is there: {why}");
            clear(layout)?;
        }
    }
    make(layout, &programs).map_err(|reason| unfinished(layout, &reason))
}

fn unfinished(layout: &Layout, reason: &str) -> String {
    format!(
        "{reason}\nThe cluster is not up. What runs is left for a look (logs: {}); `cargo xtask \
         cluster down` clears it away.",
        layout.logs().display()
    )
}

/// Takes it down, or what there is of it.
pub(super) fn down(layout: &Layout) -> Result<(), String> {
    machine::require_root()?;
    let held = ownership::lock()?;
    let steps = Steps::begin();
    clear(layout)?;
    held.dissolve()?;
    steps.done("the cluster is down");
    Ok(())
}

/// What was found of an earlier run.
struct Found {
    /// Files or namespaces of a cluster.
    anything: bool,
    /// The programs of a cluster that was finished.
    programs: Option<Programs>,
    /// Namespaces that are gone.
    missing: Vec<String>,
    /// Parts that were started and do not run.
    ended: Vec<String>,
}

fn look(layout: &Layout) -> Found {
    let present = network::present();
    let noted = std::fs::read_to_string(layout.finished()).ok();
    let mut ended = names(layout);
    ended.retain(|name| running(layout, name).is_none());
    Found {
        anything: !present.is_empty() || !layout.remains().is_empty() || ownership::is_claimed(),
        programs: noted.as_deref().and_then(Programs::noted),
        missing: namespaces().into_iter().filter(|name| !present.contains(name)).collect(),
        ended,
    }
}

/// What is to be done with it.
#[derive(Debug, PartialEq)]
enum There {
    Nothing,
    Whole,
    /// To be cleared away, with the reason why.
    Remains(String),
}

fn judge(found: &Found, programs: &Programs) -> There {
    let remains = |why: String| There::Remains(format!("a cluster {why}"));
    match found {
        Found { anything: false, .. } => There::Nothing,
        Found { programs: None, .. } => remains("that was not finished".to_owned()),
        Found { programs: Some(theirs), .. } if theirs != programs => {
            remains("of other programs".to_owned())
        }
        Found { missing, .. } if !missing.is_empty() => {
            remains(format!("without its network ({})", missing.join(" ")))
        }
        Found { ended, .. } if !ended.is_empty() => {
            remains(format!("in which does not run: {}", ended.join(" ")))
        }
        Found { .. } => There::Whole,
    }
}

/// Undoes what tests have done to a cluster that is up.
fn freshen(layout: &Layout, programs: &Programs) -> Result<(), String> {
    for node in &NODES {
        if !network::is_joined(node)? {
            println!("joining {}, which was cut off", node.name);
            network::set_cable(node, "up")?;
        }
    }
    node::await_all(layout, programs)?;
    renew_volumes(layout, programs)
}

fn make(layout: &Layout, programs: &Programs) -> Result<(), String> {
    let steps = Steps::begin();
    ownership::check(layout)?;
    ownership::claim(layout)?;
    remove(&layout.logs())?;
    places::make()?;
    network::make()?;
    steps.done("network");

    services::configure(layout)?;
    start(layout, &control_plane::store(layout))?;
    start(layout, &services::registry(layout))?;
    control_plane::certify(layout, programs)?;
    start(layout, &control_plane::api_server(layout, programs))?;
    steps.done("certificates");

    NODES.iter().try_for_each(|node| node::found(layout, node))?;
    services::push_pause(layout)?;
    steps.done("registry, and a container runtime on each node");

    control_plane::await_api_server(layout, programs)?;
    steps.done("API server");

    for decider in control_plane::deciders(layout, programs) {
        start(layout, &decider)?;
    }
    for node in &NODES {
        start(layout, &node::kubelet(layout, programs, node))?;
        start(layout, &node::proxy(layout, programs, node))?;
    }
    start(layout, &services::dns(layout, programs))?;
    let objects = fill(include_str!("templates/objects.yaml"), &[("address", FABRIC_ADDRESS)]);
    write(&layout.kubernetes("objects.yaml"), objects)?;
    control_plane::apply(layout, programs, "objects.yaml")?;
    volumes::make(layout, programs)?;
    steps.done("storage class and volumes");

    node::await_all(layout, programs)?;
    steps.done("nodes Ready");
    services::await_dns(layout)?;
    steps.done("DNS: the cluster is up");
    write(&layout.finished(), programs.note())
}

/// Ends everything that was started and removes everything that was made, but for the logs. Nothing is
/// asked to end in good order, because nothing of it is kept.
fn clear(layout: &Layout) -> Result<(), String> {
    ownership::check(layout)?;
    remove(&layout.finished())?;
    if ownership::is_claimed() {
        end_all(layout)?;
        NODES.iter().try_for_each(cgroups::remove)?;
        network::remove()?;
        places::remove()?;
    }
    layout.remains().iter().try_for_each(|path| remove(path))?;
    ownership::forget()
}

fn end_all(layout: &Layout) -> Result<(), String> {
    let started: Vec<_> = names(layout).iter().filter_map(|name| running(layout, name)).collect();
    started.iter().for_each(|process| process.signal("KILL"));
    for node in &NODES {
        cgroups::end(node)?;
        end_outside_of_pods(&node.namespace())?;
        // What was being started when its parent was ended may be in the cgroup by now.
        cgroups::end(node)?;
    }
    let all = "the end of the control plane";
    until(Duration::from_secs(10), all, || Ok(!started.iter().any(|it| it.runs())))
}

/// Ends what runs in a node's network namespace: its own processes and those of pods that use the
/// node's network.
fn end_outside_of_pods(namespace: &str) -> Result<(), String> {
    let what = format!("the end of all processes in {}", namespace_file(namespace).display());
    until(Duration::from_secs(10), &what, || {
        let mut inside = Process::in_network_of(namespace);
        inside.retain(|process| process.runs() && process.id() != std::process::id());
        inside.iter().for_each(|process| process.signal("KILL"));
        Ok(inside.is_empty())
    })
}

/// Makes volumes usable again whose claims are gone.
pub(super) fn renew_volumes(layout: &Layout, programs: &Programs) -> Result<(), String> {
    let renewed = volumes::renew(layout, programs)?;
    if !renewed.is_empty() {
        println!("wiped and offered anew: {}", renewed.join(" "));
    }
    Ok(())
}

/// The programs of a cluster that is up: those that it was made of, whatever would be built now.
pub(super) fn programs_of_running(layout: &Layout) -> Result<Programs, String> {
    machine::require_root()?;
    let noted = std::fs::read_to_string(layout.finished()).ok();
    let noted = noted.filter(|_| namespace_file(FABRIC).exists());
    let Some(programs) = noted.as_deref().and_then(Programs::noted) else {
        return Err("the test cluster is not up: cargo xtask cluster up".to_owned());
    };
    if programs.folder.is_dir() {
        return Ok(programs);
    }
    let folder = programs.folder.display();
    Err(format!(
        "{folder}: the programs of the cluster are gone; `cargo xtask cluster up` builds them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(checksum: &str) -> Programs {
        Programs { folder: "/f".into(), checksum: checksum.to_owned(), version: "v1".to_owned() }
    }

    fn whole() -> Found {
        Found { anything: true, programs: Some(programs("1")), missing: vec![], ended: vec![] }
    }

    #[track_caller]
    fn check(found: Found, expected: &str) {
        let expected = There::Remains(format!("a cluster {expected}"));
        assert_eq!(judge(&found, &programs("1")), expected);
    }

    #[test]
    fn only_a_cluster_that_lacks_nothing_is_whole() {
        assert_eq!(judge(&whole(), &programs("1")), There::Whole);
        check(Found { programs: None, ..whole() }, "that was not finished");
        check(Found { programs: Some(programs("2")), ..whole() }, "of other programs");
        let missing = vec![NODES[1].namespace()];
        check(Found { missing, ..whole() }, "without its network (vaultyard-node-b)");
        let ended = vec!["etcd".to_owned(), "kubelet:node-a".to_owned()];
        check(Found { ended, ..whole() }, "in which does not run: etcd kubelet:node-a");
    }

    #[test]
    fn where_nothing_was_found_nothing_is_cleared() {
        let missing = namespaces();
        let found = Found { anything: false, programs: None, missing, ended: vec![] };
        assert_eq!(judge(&found, &programs("1")), There::Nothing);
    }
}
