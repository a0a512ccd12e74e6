//! What each account may do. Every rule names its objects, and names them for as many servers and
//! attempts as there can ever be, so that nothing but a person's `up` changes a Role.
//!
//! What is created is created by server-side apply: the API server then checks `patch` and `create`
//! with the object's name, which a POST does not carry. Lists and watches of one object are held to
//! its name when they select `metadata.name`.
//!
//! One right is no namespace's: to ask whose a token is (`TokenReview`), which Kubernetes knows only
//! for the whole. It is given to an account that no pod has and that may do nothing else. Unsealers
//! may ask for tokens of that one account, and hand them to the servers.

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};

use vaultyard_model::Cluster;

use super::labels::{Component, Scope, metadata};
use super::names::Names;
use super::object::Object;
use super::optional;

const GROUP: &str = "rbac.authorization.k8s.io";
const READ: [&str; 1] = ["get"];
const FOLLOW: [&str; 2] = ["list", "watch"];
const KEEP: [&str; 5] = ["get", "list", "watch", "create", "patch"];
const WRITE: [&str; 2] = ["create", "patch"];
const CREATE: [&str; 3] = ["get", "create", "patch"];

/// Every Role, and the one ClusterRole, each with its binding behind it.
pub(super) fn roles(cluster: &Cluster, names: &Names) -> Vec<Object> {
    let cluster_controller = Account {
        component: Component::ClusterController,
        name: names.cluster_controller(),
        namespace: names.operations(),
    };
    let certificates_controller = Account {
        component: Component::CertificatesController,
        name: names.certificates_controller(),
        namespace: names.operations(),
    };
    let unsealer = Account {
        component: Component::Server,
        name: names.stateful_set().to_owned(),
        namespace: names.namespace(),
    };
    let (application, operations) = (Scope::Application, Scope::Operations);
    let tokens = rule("", "serviceaccounts/token", [names.token_reviewer()], ["create"]);
    [
        review_of_tokens(names),
        unsealer.role(names, application, names.unsealer(), of_unsealers(names)),
        unsealer.role(names, operations, names.token_reviewer(), vec![tokens]),
        cluster_controller.own_role(names, application, of_the_cluster_controller(cluster, names)),
        cluster_controller.own_role(
            names,
            operations,
            [
                rule("coordination.k8s.io", "leases", [names.cluster_controller()], KEEP),
                // Whether the other controller is at work.
                rule("coordination.k8s.io", "leases", [names.certificates_controller()], FOLLOW),
            ]
            .into_iter()
            .chain(of_optional(cluster, names, operations))
            .collect(),
        ),
        certificates_controller.own_role(names, application, of_certificates_controller(names)),
        certificates_controller.own_role(
            names,
            operations,
            vec![
                rule("coordination.k8s.io", "leases", [names.certificates_controller()], KEEP),
                rule("", "secrets", [names.authority()], KEEP),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Keys are created and read, and never changed: the Secrets are immutable, and the probe alone may
/// be deleted.
fn of_unsealers(names: &Names) -> Vec<PolicyRule> {
    vec![
        rule("", "secrets", names.key_secrets(), CREATE),
        rule("", "secrets", [names.keys_probe()], ["delete"]),
        // Whether the own pod is being deleted.
        rule("", "pods", names.every_server(), READ),
        // Whether somebody asks for a snapshot, or for something else that is done once.
        rule("vaultyard.dev", "vaultclusters", [names.cluster().to_owned()], FOLLOW),
    ]
}

fn of_the_cluster_controller(cluster: &Cluster, names: &Names) -> Vec<PolicyRule> {
    let own = || names.cluster().to_owned();
    let mut rules = vec![
        rule("vaultyard.dev", "vaultclusters", [own()], FOLLOW),
        rule("vaultyard.dev", "vaultclusters/status", [own()], ["patch"]),
        rule("", "configmaps", [names.document()], KEEP),
        rule("", "services", [names.service().to_owned(), names.servers()], KEEP),
        rule("apps", "statefulsets", [names.stateful_set().to_owned()], KEEP),
        rule("apps", "deployments", [names.proxy()], KEEP),
        rule(
            "policy",
            "poddisruptionbudgets",
            [names.stateful_set().to_owned(), names.proxy()],
            KEEP,
        ),
        rule(
            "networking.k8s.io",
            "networkpolicies",
            [names.deny(), names.servers(), names.proxy()],
            KEEP,
        ),
        rule("", "pods", names.every_server(), FOLLOW),
        rule("", "pods/eviction", names.every_server(), ["create"]),
        rule("", "events", names.events(), WRITE),
    ];
    rules.extend(of_optional(cluster, names, Scope::Application));
    rules
}

/// What the document asks for in this namespace, and nothing of what it does not.
fn of_optional(cluster: &Cluster, names: &Names, scope: Scope) -> Vec<PolicyRule> {
    let named = optional::named(cluster, names, scope).into_iter();
    named.map(|((group, resource), objects)| rule(group, resource, objects, KEEP)).collect()
}

fn of_certificates_controller(names: &Names) -> Vec<PolicyRule> {
    let secrets = [names.server_certificates(), names.identities(), names.proxy_certificate()];
    vec![
        rule("vaultyard.dev", "vaultclusters", [names.cluster().to_owned()], FOLLOW),
        rule("", "secrets", secrets, KEEP),
        rule("", "configmaps", [names.trust()], KEEP),
        // What the cluster follows when its VaultCluster is refused or gone.
        rule("", "configmaps", [names.document()], READ),
    ]
}

/// A review has no name that a rule could be held to, and answers no more than whose the token is
/// that the asker has already.
fn review_of_tokens(names: &Names) -> [Object; 2] {
    let metadata = metadata(names, Scope::Everywhere, None, names.cluster_wide());
    let rule = PolicyRule {
        api_groups: Some(vec!["authentication.k8s.io".to_owned()]),
        resources: Some(vec!["tokenreviews".to_owned()]),
        verbs: vec!["create".to_owned()],
        ..Default::default()
    };
    let role =
        ClusterRole { metadata: metadata.clone(), rules: Some(vec![rule]), aggregation_rule: None };
    let binding = ClusterRoleBinding {
        metadata,
        role_ref: role_ref("ClusterRole", names.cluster_wide()),
        subjects: Some(vec![subject(names.token_reviewer(), names.operations())]),
    };
    [Object::of(&role), Object::of(&binding)]
}

fn rule(
    group: &str,
    resource: &str,
    objects: impl IntoIterator<Item = String>,
    verbs: impl IntoIterator<Item = &'static str>,
) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: Some(objects.into_iter().collect()),
        verbs: verbs.into_iter().map(str::to_owned).collect(),
        ..Default::default()
    }
}

fn role_ref(kind: &str, name: String) -> RoleRef {
    RoleRef { api_group: Some(GROUP.to_owned()), kind: kind.to_owned(), name }
}

fn subject(account: String, namespace: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: account,
        namespace: Some(namespace.to_owned()),
        api_group: None,
    }
}

/// Who gets rights.
struct Account<'a> {
    component: Component,
    name: String,
    namespace: &'a str,
}

impl Account<'_> {
    /// A Role of the account's own name.
    fn own_role(&self, names: &Names, scope: Scope, rules: Vec<PolicyRule>) -> [Object; 2] {
        self.role(names, scope, self.name.clone(), rules)
    }

    fn role(
        &self,
        names: &Names,
        scope: Scope,
        name: String,
        rules: Vec<PolicyRule>,
    ) -> [Object; 2] {
        let metadata = metadata(names, scope, Some(self.component), name.clone());
        let role = Role { metadata: metadata.clone(), rules: Some(rules) };
        let binding = RoleBinding {
            metadata,
            role_ref: role_ref("Role", name),
            subjects: Some(vec![subject(self.name.clone(), self.namespace)]),
        };
        [Object::of(&role), Object::of(&binding)]
    }
}
