//! What would change, and what follows from it. Pure.

use serde::Serialize;
use serde_json::Value;
use vaultyard_model::Cluster;
use vaultyard_plan::proposal::{self, how_replaced};
use vaultyard_plan::versions;
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::server_pod::SERVER;
use vaultyard_target_kubernetes::Reference;
use vaultyard_target_kubernetes::apply::Difference;

/// Everything that would change, in the order in which it would.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proposal {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Where it serves.
    pub(crate) namespace: String,
    /// What would change.
    pub(crate) changes: Vec<Change>,
    /// How many objects are as they should be.
    pub(crate) unchanged: usize,
    /// What else comes of it.
    pub(crate) consequences: Vec<Consequence>,
    /// What is not as it should be, and lets it begin all the same.
    pub(crate) notes: Vec<String>,
    /// How far the servers have followed what was declared before, when they do not follow all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) under_way: Option<String>,
}

/// What would become of one object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    /// What would be done.
    pub(crate) action: Action,
    /// `apiVersion`.
    pub(crate) api_version: &'static str,
    /// `kind`.
    pub(crate) kind: &'static str,
    /// None for what stands in no namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// The fields that would change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<Field>,
    /// Why, or why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What would be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// There is none.
    Create,
    /// Fields of it change.
    Update,
    /// The document does not ask for it any more.
    Delete,
    /// Nobody would tell.
    Unknown,
}

/// A field that would change. Null stands for one that is not there.
#[derive(Serialize)]
pub(crate) struct Field {
    /// Where: `.spec.replicas`.
    pub(crate) path: String,
    /// Its value now.
    pub(crate) before: Value,
    /// Its value then.
    pub(crate) after: Value,
}

/// What comes of changed objects.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Consequence {
    /// Of what.
    pub(crate) of: &'static str,
    /// What it is, as a sentence.
    pub(crate) what: String,
}

impl Change {
    /// A change of this object.
    pub(super) fn of(reference: &Reference, action: Action) -> Self {
        Self {
            action,
            api_version: reference.kind().api_version,
            kind: reference.kind().kind,
            namespace: reference.namespace().map(str::to_owned),
            name: reference.name().to_owned(),
            fields: Vec::new(),
            reason: None,
        }
    }

    /// The same with these fields.
    pub(super) fn with(self, differences: Vec<Difference>) -> Self {
        let field = |Difference { path, before, after }| Field { path, before, after };
        Self { fields: differences.into_iter().map(field).collect(), ..self }
    }

    /// The same for this reason.
    pub(super) fn because(self, reason: impl ToString) -> Self {
        Self { reason: Some(reason.to_string()), ..self }
    }

    fn gives_servers_another_image(&self) -> bool {
        let image = format!(".spec.template.spec.containers[{SERVER}].image");
        self.action == Action::Update
            && self.kind == "StatefulSet"
            && self.fields.iter().any(|field| field.path == image)
    }

    /// Whether pods that are there are not as they would be made then.
    fn renews_pods(&self) -> bool {
        self.action == Action::Update
            && self.fields.iter().any(|field| field.path.starts_with(".spec.template"))
    }
}

impl Proposal {
    /// Of every object that was compared; one without a change is none. `followed` is what the cluster was
    /// before, and a `snapshot` comes before another version unless a person wants none.
    pub(super) fn of(
        cluster: &Cluster,
        followed: Option<&Cluster>,
        snapshot: bool,
        compared: Vec<Option<Change>>,
        notes: Vec<String>,
    ) -> Self {
        let names = Names::of(cluster);
        let objects = compared.len();
        let changes: Vec<_> = compared.into_iter().flatten().collect();
        Self {
            cluster: names.cluster().to_owned(),
            namespace: names.namespace().to_owned(),
            unchanged: objects - changes.len(),
            consequences: consequences((cluster, followed), snapshot, &names, &changes),
            changes,
            notes,
            under_way: None,
        }
    }

    /// Whether nothing would be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.under_way.is_none()
    }

    /// Whether servers get another version.
    pub(crate) fn changes_version(&self) -> bool {
        self.consequences.iter().any(|consequence| consequence.of == "snapshot")
    }

    /// How many objects would be changed so.
    pub(super) fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

fn consequences(
    (cluster, followed): (&Cluster, Option<&Cluster>),
    snapshot: bool,
    names: &Names,
    changes: &[Change],
) -> Vec<Consequence> {
    let renewed = |kind: &str, name: &str| {
        changes.iter().any(|it| it.kind == kind && it.name == name && it.renews_pods())
    };
    let servers = renewed("StatefulSet", names.stateful_set()).then(|| Consequence {
        of: "servers",
        what: match cluster.servers.replicas.count() {
            1 => format!("the only one is {}", how_replaced(1)),
            several => format!("are {}", how_replaced(several)),
        },
    });
    let proxies = renewed("Deployment", &names.proxy()).then(|| Consequence {
        of: "proxies",
        what: "are replaced one after another; no request is lost".to_owned(),
    });
    let controllers = [names.cluster_controller(), names.certificates_controller()];
    let controllers = controllers.iter().any(|name| renewed("Deployment", name));
    let controllers = controllers.then(|| Consequence {
        of: "controllers",
        what: "are replaced; the next ones go on where they were".to_owned(),
    });
    let version = followed.into_iter().flat_map(|it| way_back(it, cluster, snapshot));
    // Another image is taken for another version.
    let other_image = changes.iter().any(Change::gives_servers_another_image);
    let change = followed.is_some_and(|it| it.servers.version != cluster.servers.version);
    let snapshot = (change || other_image).then(|| Consequence {
        of: "snapshot",
        what: match snapshot {
            true => "is taken first, and kept on the volume of the server that leads",
            false => proposal::WITHOUT_SNAPSHOT,
        }
        .to_owned(),
    });
    [controllers, proxies, servers, snapshot].into_iter().flatten().chain(version).collect()
}

/// What leads back from another version of the servers.
fn way_back(old: &Cluster, new: &Cluster, snapshot: bool) -> Option<Consequence> {
    let (before, after) = (&old.servers.version, &new.servers.version);
    // The way back from a version that has not led is none of those that follow another.
    let passage = versions::passage(new.servers.software, before, after).ok()?;
    let what = proposal::way_back(before, after, passage, snapshot);
    (before != after).then_some(Consequence { of: "way back", what })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultyard_target_kubernetes::Kind;

    use super::*;
    use crate::document;

    fn changed(kind: &str, name: &str, path: &str) -> Change {
        let kind = Kind::find("apps/v1", kind).unwrap();
        let reference = Reference::within(kind, "vault", name);
        let (before, after) = (json!(1), json!(2));
        let difference = Difference { path: path.to_owned(), before, after };
        Change::of(&reference, Action::Update).with(vec![difference])
    }

    fn proposal(changes: Vec<Option<Change>>) -> Proposal {
        let Ok(document) = document::built_in(vaultyard_manifest::Target::Kubernetes) else {
            panic!("the built-in document is refused");
        };
        Proposal::of(&document.cluster, None, true, changes, Vec::new())
    }

    #[test]
    fn changed_templates_have_consequences_and_other_fields_have_none() {
        let template = ".spec.template.spec.containers[server].image";
        let changes = vec![
            Some(changed("StatefulSet", "vault", template)),
            Some(changed("Deployment", "vault-proxy", ".spec.replicas")),
            Some(changed("Deployment", "vault-cluster-controller", template)),
            None,
        ];
        let proposal = proposal(changes);
        let of: Vec<_> = proposal.consequences.iter().map(|consequence| consequence.of).collect();
        assert_eq!(of, ["controllers", "servers", "snapshot"]);
        assert_eq!((proposal.count(Action::Update), proposal.unchanged), (3, 1));
    }
}
