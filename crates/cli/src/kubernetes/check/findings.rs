//! What is in the way of `up`. Pure: from what was looked at.

use std::collections::BTreeSet;

use vaultyard_manifest::{API_VERSION, KIND};
use vaultyard_model::cluster::ObjectName;
use vaultyard_render::kubernetes::server_pod;

use super::Plan;
use super::facts::{Class, Facts, KeyFilesSeen, Node, Standing};
use super::finding::{Finding, Missing, Placement};

/// All of it, in the order in which a person would mend it.
pub(super) fn of(plan: &Plan<'_>, facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    if !facts.missing.is_empty() {
        all.push(Finding::Rights(facts.missing.clone()));
    }
    all.extend(definition(facts));
    all.extend(standing(facts));
    all.extend(facts.held.iter().cloned().map(Finding::Held));
    all.extend(facts.unfollowed.iter().cloned().map(Finding::Unfollowed));
    let since = if facts.servers_stand { Placement::Done } else { Placement::Open };
    if let Some(nodes) = &facts.nodes {
        all.extend(places(plan, nodes, since));
    }
    if let Some(classes) = &facts.classes {
        all.extend(volumes(plan, classes, since));
    }
    all.extend(key_files(plan, facts));
    all.extend(budget(plan));
    all
}

/// Whether the servers' claims get volumes: of the class that the document names, else of the one
/// that is the default.
fn volumes(plan: &Plan<'_>, classes: &[Class], since: Placement) -> Option<Finding> {
    let wanted = plan.cluster.servers.storage_class.as_ref();
    if class(wanted, classes).is_some() {
        return None;
    }
    let classes = classes.iter().map(|class| class.name.clone()).collect();
    Some(match wanted {
        Some(name) => Finding::UnknownClass { class: name.to_string(), classes, since },
        None => Finding::NoClass { classes, since },
    })
}

/// The class that claims get.
pub(super) fn class<'a>(wanted: Option<&ObjectName>, classes: &'a [Class]) -> Option<&'a Class> {
    classes.iter().find(|class| match wanted {
        Some(name) => class.name == name.as_str(),
        None => class.is_default,
    })
}

/// What nobody else says before the first drain: a single server may be evicted.
fn budget(plan: &Plan<'_>) -> Option<Finding> {
    (plan.cluster.servers.replicas.count() == 1).then_some(Finding::NoBudget)
}

/// Files are written by people or by what they have for it; when, is theirs to say.
fn key_files(plan: &Plan<'_>, facts: &Facts) -> Option<Finding> {
    let wanted = server_pod::key_files(plan.cluster)?;
    let there = |entry: &str| match &facts.key_files {
        KeyFilesSeen::NotNeeded | KeyFilesSeen::Hidden => true,
        KeyFilesSeen::Absent => false,
        KeyFilesSeen::Entries(entries) => entries.contains(entry),
    };
    let files = plan.cluster.keys.encryption.files();
    let missing = files.iter().filter_map(|file| {
        let entry = file.entry().filter(|entry| !there(entry))?.to_owned();
        Some(Missing { entry, path: file.path.display().to_string() })
    });
    let missing: Vec<_> = missing.collect();
    let namespace = plan.cluster.namespace.to_string();
    let secret = wanted.secret;
    (!missing.is_empty()).then_some(Finding::NoKeyFiles { namespace, secret, missing })
}

/// Our version of the kind, as Kubernetes names it.
pub(super) fn version() -> &'static str {
    API_VERSION.rsplit_once('/').map_or(API_VERSION, |(_, version)| version)
}

/// Whoever applied our definition over one with other versions would make their objects unreadable.
fn definition(facts: &Facts) -> Option<Finding> {
    let theirs = facts.versions.clone()?;
    let others = theirs.iter().any(|found| found != version());
    others.then(|| Finding::OtherVersions { theirs, ours: version().to_owned() })
}

fn standing(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.standing.iter().filter_map(|seen| {
        let object = seen.reference.to_string();
        let kind = seen.reference.kind();
        match &seen.standing {
            Standing::Foreign(whose) => Some(Finding::Foreign { object, whose: whose.clone() }),
            Standing::Ending => Some(Finding::Ending { object }),
            // `up` itself defines this one.
            Standing::NoSuchKind if kind.kind == KIND => None,
            Standing::NoSuchKind => {
                let version = format!("{} {}", kind.api_version, kind.kind);
                Some(Finding::NoSuchKind { object, version })
            }
            Standing::Absent | Standing::Ours | Standing::Hidden => None,
        }
    })
}

/// The zones that nodes are in, each once.
pub(super) fn zones(nodes: &[Node]) -> Vec<String> {
    let zones = nodes.iter().filter_map(|node| node.zone.clone());
    zones.collect::<BTreeSet<_>>().into_iter().collect()
}

fn places(plan: &Plan<'_>, nodes: &[Node], since: Placement) -> Vec<Finding> {
    if nodes.is_empty() {
        return vec![Finding::NoNode];
    }
    let servers = &plan.cluster.servers;
    let known = zones(nodes);
    let missing = |zone: &&str| !known.iter().any(|known| known == zone);
    if !servers.zones.is_empty() {
        let named = servers.zones.iter().map(|zone| zone.as_str());
        let empty = named.filter(missing).map(str::to_owned);
        return empty
            .map(|zone| Finding::EmptyZone { zone, known: known.clone(), since })
            .collect();
    }
    let nowhere = nodes.iter().filter(|node| node.zone.is_none());
    let nowhere: Vec<_> = nowhere.map(|node| node.name.clone()).collect();
    if !nowhere.is_empty() {
        return vec![Finding::NoZone { nodes: nowhere, since }];
    }
    let wanted = zones_wanted(plan);
    let few = known.len() < wanted;
    few.then_some(Finding::FewZones { wanted, known, since }).into_iter().collect()
}

/// How many zones the servers want where the document leaves the zones to be found: one each, as
/// far as a region has so many; more servers than that are spread over those there are.
fn zones_wanted(plan: &Plan<'_>) -> usize {
    let servers = usize::from(plan.cluster.servers.replicas.count());
    if vaultyard_render::kubernetes::zone_each(plan.cluster) { servers } else { 1 }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::Cluster;
    use vaultyard_target_kubernetes::Reference;
    use vaultyard_target_kubernetes::access_review::Act;
    use vaultyard_target_kubernetes::apply::ApplyError;
    use vaultyard_target_kubernetes::error::FieldConflict;
    use vaultyard_target_kubernetes::kind::{Kind, NAMESPACE, VAULT_CLUSTER};

    use super::super::facts::Seen;
    use super::*;
    use crate::document;

    fn facts() -> Facts {
        let node = |zone: &str| Node { name: format!("node-{zone}"), zone: Some(zone.to_owned()) };
        Facts {
            missing: Vec::new(),
            standing: Vec::new(),
            held: Vec::new(),
            versions: Some(vec![version().to_owned()]),
            nodes: Some(["a", "b", "c"].map(node).into()),
            classes: Some(vec![Class { name: "fast".to_owned(), is_default: true }]),
            key_files: KeyFilesSeen::NotNeeded,
            servers_stand: false,
            unfollowed: Vec::new(),
        }
    }

    fn found(servers: &str, facts: &Facts) -> Vec<Finding> {
        found_in(&format!("servers: {{{servers}}}"), facts)
    }

    fn found_in(spec: &str, facts: &Facts) -> Vec<Finding> {
        let cluster = &cluster(spec);
        of(&Plan { cluster, installation: &[], workload: &[], adopt: false }, facts)
    }

    fn cluster(spec: &str) -> Cluster {
        let text = format!(
            "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: vault}}\n\
             spec: {{{spec}}}\n"
        );
        let document = document::parse("test", text, vaultyard_manifest::Target::Kubernetes);
        let Ok(document) = document else { panic!("the document is refused") };
        document.cluster
    }

    /// The only finding, in words.
    #[track_caller]
    fn sentence(servers: &str, facts: &Facts) -> String {
        let all = found(servers, facts);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].bars());
        all[0].to_string()
    }

    fn seen(kind: Kind, standing: Standing) -> Seen {
        Seen { reference: Reference::within(kind, "vault", "vault"), standing }
    }

    #[test]
    fn nothing_is_in_the_way_of_a_cluster_that_fits() {
        assert_eq!(found("", &facts()), []);
        assert_eq!(found("zones: [a, c]", &facts()), []);
        assert_eq!(found("replicas: 5", &facts()), []);
    }

    #[test]
    fn what_may_not_be_looked_at_is_not_held_against_it() {
        let hidden = vec![seen(NAMESPACE, Standing::Hidden)];
        let facts =
            Facts { nodes: None, classes: None, versions: None, standing: hidden, ..facts() };
        assert_eq!(found("", &facts), []);
    }

    #[test]
    fn a_node_without_a_zone_is_named() {
        let mut facts = facts();
        facts.nodes.as_mut().unwrap()[1].zone = None;
        let said = sentence("", &facts);
        assert!(said.starts_with("the node node-b has no label topology.kubernetes.io/zone"));
        assert_eq!(found("zones: [a, c]", &facts), [], "no server stands on it");
    }

    #[test]
    fn a_zone_without_a_node_is_named_with_those_there_are() {
        let said = sentence("zones: [a, d]", &facts());
        assert!(said.contains("zone d") && said.contains("in the zones a, b, c"), "{said}");
    }

    #[test]
    fn too_few_zones_are_counted() {
        let mut facts = facts();
        facts.nodes.as_mut().unwrap().truncate(2);
        let said = sentence("", &facts);
        assert!(said.starts_with("3 servers want a zone each; the nodes are in the zones a, b"));
        assert_eq!(found("replicas: 1", &facts), [Finding::NoBudget], "no zone is missing");
        assert_eq!(found("replicas: 5", &facts), [], "they share zones");
        facts.nodes = Some(Vec::new());
        assert_eq!(found("", &facts), [Finding::NoNode]);
    }

    #[test]
    fn no_default_class_names_those_there_are() {
        let mut facts = facts();
        facts.classes.as_mut().unwrap()[0].is_default = false;
        let said = sentence("", &facts);
        assert!(said.contains("kubectl annotate storageclass fast"), "{said}");
        facts.classes = Some(Vec::new());
        assert!(sentence("", &facts).contains("there is none yet"));
    }

    #[test]
    fn a_class_that_is_named_is_looked_for_and_not_the_default_one() {
        let named = "storage: {raft: {storageClassName: slow}}";
        let class = |name: &str| Class { name: name.to_owned(), is_default: false };
        let mut facts = facts();
        let said = sentence(named, &facts);
        let words = ["the StorageClass slow in spec.servers.storage", "there is only fast,"];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        facts.classes = Some(vec![class("a"), class("b")]);
        assert!(sentence(named, &facts).contains("there are only a, b,"));
        facts.classes = Some(Vec::new());
        assert!(sentence(named, &facts).contains("there is no StorageClass at all"));
        facts.classes = Some(vec![class("slow")]);
        assert_eq!(found(named, &facts), [], "none need be the default one");
        facts.classes = None;
        assert_eq!(found(named, &facts), [], "classes may not be looked at");
    }

    #[test]
    fn files_that_are_not_there_yet_are_named_with_how_to_bring_them() {
        let spec = "keys: {encryption: {transit: {address: 'https://vault.example:8200', \
                    key: unseal, caCert: /etc/ca.pem, auth: {tokenFile: /run/token}}}}";
        let with = |key_files| found_in(spec, &Facts { key_files, ..facts() });
        let entries = |all: &[&str]| {
            KeyFilesSeen::Entries(all.iter().map(|entry| (*entry).to_owned()).collect())
        };
        let said = with(KeyFilesSeen::Absent);
        assert!(!said[0].bars(), "pods wait for it");
        let command = "kubectl -n vault create secret generic vault-key-files \
                       --from-file=ca.pem=/etc/ca.pem --from-file=token=/run/token";
        assert!(said[0].to_string().ends_with(command), "{}", said[0]);
        let said = with(entries(&["ca.pem"]));
        assert!(said[0].to_string().contains(" has token; "), "{}", said[0]);
        assert_eq!(with(entries(&["ca.pem", "other", "token"])), []);
        assert_eq!(with(KeyFilesSeen::Hidden), []);
    }

    #[test]
    fn servers_that_stand_have_their_places() {
        let mut facts = facts();
        facts.nodes.as_mut().unwrap().truncate(2);
        facts.classes = Some(Vec::new());
        facts.servers_stand = true;
        for servers in ["", "storage: {raft: {storageClassName: slow}}"] {
            let all = found(servers, &facts);
            assert_eq!(all.len(), 2);
            assert!(!all.iter().any(Finding::bars), "{all:?}");
        }
    }

    #[test]
    fn what_the_cluster_cannot_follow_is_refused() {
        let (old, new) = (cluster(""), cluster("servers: {storage: {raft: {size: 20Gi}}}"));
        let unfollowed = crate::kubernetes::declared::unfollowed(&old, &new, None);
        let said = sentence("", &Facts { unfollowed, ..facts() });
        assert!(said.contains("raft.size was 10Gi and is 20Gi now"), "{said}");
        let new = cluster("servers: {storage: {raft: {storageClassName: fast}}}");
        let unfollowed = crate::kubernetes::declared::unfollowed(&old, &new, None);
        let said =
            sentence("storage: {raft: {storageClassName: fast}}", &Facts { unfollowed, ..facts() });
        assert!(said.contains("storageClassName was the default class and is fast now"), "{said}");
    }

    #[test]
    fn a_single_server_is_told_what_a_drain_does() {
        let said = found("replicas: 1", &facts());
        let [note] = said.as_slice() else { panic!("{said:?}") };
        assert!(!note.bars());
        let sentence = note.to_string();
        assert!(sentence.contains("no PodDisruptionBudget"), "{sentence}");
        assert!(sentence.contains("a drain takes the service away"), "{sentence}");
    }

    #[test]
    fn another_version_of_our_kind_is_refused() {
        let mut facts = facts();
        facts.versions = Some(["v1alpha1", "v2"].map(str::to_owned).into());
        assert!(sentence("", &facts).contains("versions v1alpha1, v2"));
        facts.versions = Some(Vec::new());
        assert_eq!(found("", &facts), [], "it is not installed yet");
    }

    #[test]
    fn objects_of_others_and_those_that_end_are_named() {
        let standing = |standing| Facts { standing: vec![seen(NAMESPACE, standing)], ..facts() };
        let said = sentence("", &standing(Standing::Foreign("Helm".to_owned())));
        assert!(said.starts_with("the Namespace vault is there already and belongs to Helm"));
        let said = sentence("", &standing(Standing::Ending));
        assert!(said.starts_with("the Namespace vault is being deleted"));
    }

    #[test]
    fn fields_that_somebody_else_holds_are_named() {
        let field = FieldConflict { manager: "kubectl".into(), field: ".spec.replicas".into() };
        let held = ApplyError::Conflict { object: "the Deployment a".into(), fields: vec![field] };
        let said = sentence("", &Facts { held: vec![held], ..facts() });
        assert!(said.contains("the Deployment a: kubectl owns .spec.replicas"), "{said}");
    }

    #[test]
    fn a_kind_that_nobody_installed_is_named_unless_it_is_ours() {
        let gateway = Kind::find("gateway.networking.k8s.io/v1", "Gateway").unwrap();
        let mut facts = facts();
        facts.standing = vec![seen(VAULT_CLUSTER, Standing::NoSuchKind)];
        assert_eq!(found("", &facts), []);
        facts.standing = vec![seen(gateway, Standing::NoSuchKind)];
        assert!(sentence("", &facts).contains("the kind gateway.networking.k8s.io/v1 Gateway"));
    }

    #[test]
    fn missing_rights_are_one_table() {
        let act = |verb| Act::on(verb, NAMESPACE, None, Some("vault"));
        let facts = Facts { missing: ["get", "patch"].map(act).into(), ..facts() };
        let said = sentence("", &facts);
        let row: Vec<_> = said.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(row, ["get,", "patch", "namespaces", "-", "vault"], "{said}");
    }
}
