//! What a change of the document changes in the objects, as golden files; and that nothing which
//! Kubernetes holds immutable is among it, but where `vaultyard_plan::change` refuses the document.

use vaultyard_model::{Value, Zone};
use vaultyard_testkit::matrix;

use super::*;

/// A change that a cluster follows.
struct Step {
    name: &'static str,
    from: Cluster,
    to: Cluster,
    image: bool,
}

fn step(name: &'static str, replicas: u64, change: impl FnOnce(&mut Cluster)) -> Step {
    let from = sample::cluster(replicas);
    let mut to = from.clone();
    change(&mut to);
    Step { name, from, to, image: false }
}

fn steps() -> Vec<Step> {
    let configured = |cluster: &mut Cluster| {
        let lease = ("max_lease_ttl".to_owned(), Value::Text("24h".to_owned()));
        cluster.servers.configuration = Value::Map([lease].into_iter().collect());
    };
    let zoned = |cluster: &mut Cluster| {
        cluster.servers.zones = ["a", "b", "c"].map(|zone| Zone::new(zone).unwrap()).to_vec();
    };
    vec![
        step("more-held", 3, |cluster| cluster.ingress.proxy.max_held += 1),
        step("longer-hold", 3, |cluster| {
            cluster.ingress.proxy.hold += std::time::Duration::from_secs(30);
        }),
        step("configuration", 3, configured),
        step("zones-named", 3, zoned),
        step("zones-of-one", 1, zoned),
        step("resources", 3, |cluster| cluster.servers.resources = matrix::larger()),
        Step { image: true, ..step("images", 3, |_| ()) },
        step("ingress-asked-for", 3, fronted),
        Step { name: "ingress-not-asked-for", ..reversed(step("", 3, fronted)) },
    ]
}

fn fronted(cluster: &mut Cluster) {
    let (_, nginx) = matrix::optional().into_iter().find(|(name, _)| *name == "nginx-3").unwrap();
    cluster.ingress.front = nginx.ingress.front;
}

fn reversed(step: Step) -> Step {
    let Step { from, to, .. } = step;
    Step { from: to, to: from, ..step }
}

fn objects(step: &Step, after: bool) -> Vec<Object> {
    let cluster = if after { &step.to } else { &step.from };
    let mut release = release();
    if after && step.image {
        let digest = |digit: &str| digit.repeat(64);
        release.vaultyard = release.vaultyard.replace(&digest("a"), &digest("c"));
        release.server = release.server.replace(&digest("b"), &digest("d"));
    }
    let mut all = installation(cluster, &release, &definition(), &document());
    all.extend(workload(cluster, &release, ""));
    all
}

/// The paths at which two values differ.
fn differences(path: &str, before: &Json, after: &Json, all: &mut Vec<String>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Json::Object(old), Json::Object(new)) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let (old, new) = (&before[key.as_str()], &after[key.as_str()]);
                differences(&format!("{path}.{key}"), old, new, all);
            }
        }
        (Json::Array(old), Json::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                differences(&format!("{path}[{at}]"), old, new, all);
            }
        }
        _ => all.push(path.to_owned()),
    }
}

/// What differs, a line for each field; objects that come or go are one line.
fn told(step: &Step) -> Vec<String> {
    let (before, after) = (objects(step, false), objects(step, true));
    let mut lines = Vec::new();
    for new in &after {
        let title = format!("{} {}", new.kind, new.name);
        match before.iter().find(|old| old.is(new)) {
            None => lines.push(format!("+ {title}")),
            Some(old) => {
                let mut paths = Vec::new();
                differences("", &old.body, &new.body, &mut paths);
                lines.extend(paths.into_iter().map(|path| format!("~ {title} {path}")));
            }
        }
    }
    let gone = before.iter().filter(|old| !after.iter().any(|new| new.is(old)));
    lines.extend(gone.map(|old| format!("- {} {}", old.kind, old.name)));
    lines
}

#[test]
fn what_a_change_changes_is_as_it_was() {
    for step in steps() {
        let text: String = told(&step).iter().map(|line| format!("{line}\n")).collect();
        sample::golden(&format!("kubernetes/upgrades/{}.txt", step.name), &text);
    }
}

/// Kubernetes' own documentation of each kind: what of its specification may change at all.
fn may_change(kind: &str, path: &str) -> bool {
    let below = |allowed: &[&str]| allowed.iter().any(|prefix| path.starts_with(prefix));
    match kind {
        "StatefulSet" => below(&[
            ".metadata",
            ".spec.replicas",
            ".spec.template",
            ".spec.updateStrategy",
            ".spec.revisionHistoryLimit",
            ".spec.persistentVolumeClaimRetentionPolicy",
            ".spec.minReadySeconds",
        ]),
        "Deployment" => !path.starts_with(".spec.selector"),
        "Service" => !path.starts_with(".spec.clusterIP"),
        "RoleBinding" | "ClusterRoleBinding" => !path.starts_with(".roleRef"),
        _ => true,
    }
}

#[test]
fn nothing_immutable_is_touched() {
    for step in steps() {
        for line in told(&step) {
            let words: Vec<_> = line.split(' ').collect();
            if let ["~", kind, _, path] = words.as_slice() {
                assert!(may_change(kind, path), "{}: {line}", step.name);
            }
        }
    }
}

#[test]
fn the_size_and_the_class_of_volumes_would_touch_what_is_immutable() {
    let grown = step("grown", 3, |cluster| cluster.servers.raft_bytes *= 2);
    let named = step("named", 3, |cluster| {
        cluster.servers.storage_class = matrix::with_more(3).servers.storage_class;
    });
    for (step, refused) in [(grown, "resized"), (named, "reclassed")] {
        let lines = told(&step);
        let touched = lines.iter().any(|line| line.contains(".spec.volumeClaimTemplates"));
        assert!(touched, "`plan::change::{refused}` refuses this for nothing: {lines:?}");
    }
}
