//! What was looked at and found, for eyes.

use std::collections::BTreeMap;
use std::fmt::Write;

use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::access_review::Act;

use super::Plan;
use super::facts::{Facts, Standing};
use super::finding::Finding;
use super::findings;
use crate::kubernetes::sites;
use crate::output;

/// So many names stand in a row of the table; more are counted.
const NAMES: usize = 3;

/// A line for each thing that was looked at. What is in the way is told by who refuses it; what is
/// not, and still is not as it should be, is told here.
pub(super) fn of(plan: &Plan<'_>, facts: &Facts, found: &[Finding]) -> String {
    let names = Names::of(plan.cluster);
    let mut text = String::new();
    let mut line = |heading: &str, says: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{heading:<11} {says}");
    };
    line(
        "rights",
        match facts.missing.len() {
            0 => "all that `up` takes".to_owned(),
            missing => format!("{missing} are missing"),
        },
    );
    line(
        "definition",
        match facts.versions.as_deref() {
            None => "unknown: the definition of VaultCluster may not be looked at".to_owned(),
            Some([]) => format!("VaultCluster will be defined, version {}", findings::version()),
            Some(versions) => format!("VaultCluster is defined, version {}", versions.join(", ")),
        },
    );
    line("namespaces", format!("{} and {}", names.namespace(), names.operations()));
    let count = |standing: &Standing| {
        facts.standing.iter().filter(|seen| seen.standing == *standing).count()
    };
    line(
        "objects",
        format!("{} of {} stand there and are ours", count(&Standing::Ours), facts.standing.len()),
    );
    line(
        "zones",
        match &facts.nodes {
            None => "unknown: nodes may not be looked at".to_owned(),
            Some(nodes) => match findings::zones(nodes).as_slice() {
                [] => "none".to_owned(),
                zones => zones.join(", "),
            },
        },
    );
    line(
        "storage",
        match &facts.classes {
            None => "unknown: StorageClasses may not be looked at".to_owned(),
            Some(classes) => {
                let wanted = plan.cluster.servers.storage_class.as_ref();
                match (findings::class(wanted, classes), wanted) {
                    (Some(class), _) => format!("the StorageClass {}", class.name),
                    (None, Some(name)) => format!("no StorageClass {name}"),
                    (None, None) => "no default StorageClass".to_owned(),
                }
            }
        },
    );
    line("address", format!("{} (within Kubernetes)", sites::url(&names)));
    if plan.cluster.ingress.front.is_some() {
        line("", format!("https://{} (from outside)", plan.cluster.dns.host));
    }
    for finding in found.iter().filter(|finding| !finding.bars()) {
        line("note", finding.to_string());
    }
    text
}

/// Rights as one table: what stands in one place in one row.
pub(super) fn rights(acts: &[Act]) -> String {
    let mut rows: BTreeMap<(String, String), Gathered<'_>> = BTreeMap::new();
    for act in acts {
        let place = act.namespace.clone().unwrap_or_else(|| "-".to_owned());
        let resource = match act.group.as_str() {
            "" => act.resource.clone(),
            group => format!("{}.{group}", act.resource),
        };
        let Gathered { verbs, names } = rows.entry((place, resource)).or_default();
        if !verbs.contains(&act.verb.as_str()) {
            verbs.push(&act.verb);
        }
        if let Some(name) = act.name.as_deref().filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    let row = |((place, resource), gathered): ((String, String), Gathered<'_>)| {
        let Gathered { verbs, names } = gathered;
        let names = match names.len() {
            0 => "all".to_owned(),
            few if few <= NAMES => names.join(", "),
            many => format!("{many} of them"),
        };
        vec![verbs.join(", "), resource, place, names]
    };
    output::table(&["VERBS", "RESOURCE", "NAMESPACE", "NAMES"], rows.into_iter().map(row).collect())
}

/// What may not be done with one resource in one place.
#[derive(Default)]
struct Gathered<'a> {
    verbs: Vec<&'a str>,
    names: Vec<&'a str>,
}

#[cfg(test)]
mod tests {
    use vaultyard_target_kubernetes::kind::{NAMESPACE, SECRET};

    use super::*;

    #[test]
    fn rights_are_gathered_by_place_and_resource() {
        let secret = |name: &str| Act::on("get", SECRET, Some("n"), Some(name));
        let mut acts = ["a", "b", "c", "d"].map(secret).to_vec();
        acts.push(Act::on("get", NAMESPACE, None, Some("n")));
        acts.push(Act::on("create", NAMESPACE, None, Some("n")));
        let table = rights(&acts);
        let rows: Vec<Vec<_>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["get,", "create", "namespaces", "-", "n"]);
        assert_eq!(rows[2], ["get", "secrets", "n", "4", "of", "them"]);
        assert_eq!(rows.len(), 3);
    }
}
