//! What can be in the way of `up`, each with the reason and what to do.

use std::fmt;

use vaultyard_plan::change::Fault;
use vaultyard_render::kubernetes::pod::ZONE;
use vaultyard_target_kubernetes::access_review::Act;
use vaultyard_target_kubernetes::apply::ApplyError;

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// We may not do all that `up` does.
    Rights(Vec<Act>),
    /// Somebody else's object is in the place of ours.
    Foreign { object: String, whose: String },
    /// Somebody else holds fields of an object of ours.
    Held(ApplyError),
    /// The document asks for what the cluster that stands there cannot become.
    Unfollowed(Fault),
    /// An object is being deleted in whose place ours would stand.
    Ending { object: String },
    /// The API server does not know a kind that the document asks for.
    NoSuchKind { object: String, version: String },
    /// Our kind was installed by another version of Vaultyard.
    OtherVersions { theirs: Vec<String>, ours: String },
    /// No node takes pods.
    NoNode,
    /// Nodes that are in no zone, where the document leaves the zones to be found.
    NoZone { nodes: Vec<String>, since: Placement },
    /// A zone of the document that no node is in.
    EmptyZone { zone: String, known: Vec<String>, since: Placement },
    /// Fewer zones than servers that want one each.
    FewZones { wanted: usize, known: Vec<String>, since: Placement },
    /// Files that open the keys are not there yet: pods wait for them.
    NoKeyFiles { namespace: String, secret: String, missing: Vec<Missing> },
    /// A drain may take the only server, and the service with it.
    NoBudget,
    /// Claims name no class and get no volume.
    NoClass { classes: Vec<String>, since: Placement },
    /// Claims name a class that there is not.
    UnknownClass { class: String, classes: Vec<String>, since: Placement },
}

/// A file that is not in its Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) entry: String,
    /// Where the document says that it is.
    pub(super) path: String,
}

/// Whether servers have to find a place yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// They do.
    Open,
    /// They stand: what is wrong counts only when one has to move.
    Done,
}

impl Finding {
    /// Whether `up` cannot succeed.
    pub(super) fn bars(&self) -> bool {
        match self {
            Self::NoZone { since, .. }
            | Self::EmptyZone { since, .. }
            | Self::FewZones { since, .. }
            | Self::NoClass { since, .. }
            | Self::UnknownClass { since, .. } => *since == Placement::Open,
            Self::NoKeyFiles { .. } | Self::NoBudget => false,
            _ => true,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rights(missing) => write!(
                f,
                "the account of the kubeconfig lacks rights; ask those who administer Kubernetes \
                 for them, or to run `vaultyard up` for you:\n\n{}",
                super::picture::rights(missing).trim_end()
            ),
            Self::Foreign { object, whose } => {
                let (object, whose) = (object.clone(), whose.clone());
                ApplyError::Foreign { object, whose }.fmt(f)
            }
            Self::Held(error) => error.fmt(f),
            Self::Unfollowed(fault) => {
                write!(f, "{fault}; put it back as it was, or make another cluster")
            }
            Self::Ending { object } => {
                write!(f, "{object} is being deleted; wait until it is gone, then try again")
            }
            Self::NoSuchKind { object, version } => write!(
                f,
                "{object} cannot stand there, because this Kubernetes does not know the kind \
                 {version}; install its definition, or leave it out of the document"
            ),
            Self::OtherVersions { theirs, ours } => write!(
                f,
                "the CustomResourceDefinition of VaultCluster has the versions {}, and this \
                 Vaultyard speaks {ours} alone; use the Vaultyard that installed it, or a later one",
                theirs.join(", ")
            ),
            Self::NoNode => f.write_str("no node takes pods; add one, or take the taints off one"),
            Self::NoZone { nodes, .. } => write!(
                f,
                "{} no label {ZONE}, so that servers cannot be kept in zones apart; give every \
                 node that takes pods this label, or name the zones in spec.servers.zones",
                several(nodes, "the node", "has", "the nodes", "have")
            ),
            Self::EmptyZone { zone, known, .. } => write!(
                f,
                "the document names the zone {zone} in spec.servers.zones, and no node that takes \
                 pods is in it ({ZONE}); {}",
                known_zones(known)
            ),
            Self::FewZones { wanted, known, .. } => write!(
                f,
                "{wanted} servers want a zone each; {}: add nodes in other zones, or name those \
                 that there are in spec.servers.zones and the servers share them",
                known_zones(known)
            ),
            Self::NoKeyFiles { namespace, secret, missing } => {
                let entries: Vec<_> = missing.iter().map(|file| file.entry.as_str()).collect();
                let from = |file: &Missing| format!(" --from-file={}={}", file.entry, file.path);
                write!(
                    f,
                    "no server starts before the Secret {secret} in the namespace {namespace} has {}; \
                     make it when the namespace is there: kubectl -n {namespace} create secret \
                     generic {secret}{}",
                    entries.join(" and "),
                    missing.iter().map(from).collect::<String>()
                )
            }
            Self::NoBudget => f.write_str(
                "a single server has no PodDisruptionBudget, so that the drain of its node does \
                 not wait for ever; such a drain takes the service away until the server runs \
                 elsewhere, and three servers would not notice it",
            ),
            Self::NoClass { classes, .. } => write!(
                f,
                "no StorageClass is the default one, so that the servers get no volumes; make one \
                 the default: kubectl annotate storageclass {} \
                 storageclass.kubernetes.io/is-default-class=true{}",
                classes.first().map_or("NAME", String::as_str),
                match classes.len() {
                    0 => " (there is none yet)".to_owned(),
                    1 => String::new(),
                    _ => format!(" (there are {})", classes.join(", ")),
                }
            ),
            Self::UnknownClass { class, classes, .. } => write!(
                f,
                "the document names the StorageClass {class} in \
                 spec.servers.storage.raft.storageClassName, and {}, so that the servers get no \
                 volumes; make it, or name one that there is",
                known_classes(classes)
            ),
        }
    }
}

fn several(names: &[String], one: &str, has: &str, many: &str, have: &str) -> String {
    match names {
        [name] => format!("{one} {name} {has}"),
        names => format!("{many} {} {have}", names.join(", ")),
    }
}

fn known_classes(known: &[String]) -> String {
    match known {
        [] => "there is no StorageClass at all".to_owned(),
        [one] => format!("there is only {one}"),
        known => format!("there are only {}", known.join(", ")),
    }
}

fn known_zones(known: &[String]) -> String {
    match known {
        [] => "no node is in a zone".to_owned(),
        [one] => format!("the nodes are in the zone {one}"),
        known => format!("the nodes are in the zones {}", known.join(", ")),
    }
}
