//! Real calls with real tokens that must be refused.

use vaultyard_e2e::kubernetes::{Account, Kube};

/// `NAME` stands for the cluster's name, which its namespace has too.
type Call = (&'static str, &'static str, &'static str, &'static str);

/// What no account may do: method, path, and the verb and resource that the refusal names.
const NOBODY: &[Call] = &[
    ("GET", "/api/v1/namespaces/NAME/secrets", "list", "secrets"),
    ("GET", "/api/v1/namespaces/NAME/secrets/somebody-elses", "get", "secrets"),
    ("GET", "/api/v1/namespaces/NAME-operations/secrets", "list", "secrets"),
    ("GET", "/api/v1/namespaces/default/secrets", "list", "secrets"),
    ("GET", "/api/v1/namespaces/default/configmaps/NAME-document", "get", "configmaps"),
    ("GET", "/api/v1/namespaces/kube-system/pods", "list", "pods"),
    ("GET", "/api/v1/pods", "list", "pods"),
    ("GET", "/api/v1/nodes", "list", "nodes"),
    ("GET", "/api/v1/namespaces", "list", "namespaces"),
    ("GET", "/apis/vaultyard.dev/v1alpha1/vaultclusters", "list", "vaultclusters"),
    ("POST", "/api/v1/namespaces/NAME/pods", "create", "pods"),
    ("POST", "/api/v1/namespaces/NAME-operations/pods", "create", "pods"),
    ("POST", "/api/v1/namespaces/NAME/pods/NAME-0/exec?command=id", "create", "pods/exec"),
    ("POST", "/api/v1/namespaces/NAME/pods/another/eviction", "create", "pods/eviction"),
    // Creating goes by apply only, which names what it creates.
    ("POST", "/api/v1/namespaces/NAME/secrets", "create", "secrets"),
    ("POST", "/api/v1/namespaces/NAME/configmaps", "create", "configmaps"),
    ("POST", "/apis/apps/v1/namespaces/NAME/statefulsets", "create", "statefulsets"),
    ("POST", "/apis/coordination.k8s.io/v1/namespaces/NAME-operations/leases", "create", "leases"),
    ("DELETE", "/api/v1/namespaces/NAME/pods/NAME-0", "delete", "pods"),
    ("DELETE", "/api/v1/namespaces/NAME/secrets/NAME-keys-0001", "delete", "secrets"),
    ("DELETE", "/api/v1/namespaces/NAME", "delete", "namespaces"),
    (
        "DELETE",
        "/api/v1/namespaces/NAME/persistentvolumeclaims/data-NAME-0",
        "delete",
        "persistentvolumeclaims",
    ),
    ("DELETE", "/apis/apps/v1/namespaces/NAME/statefulsets/NAME", "delete", "statefulsets"),
];

/// What the cluster controller alone may do.
const EVICTION: Call =
    ("POST", "/api/v1/namespaces/NAME/pods/NAME-0/eviction", "create", "pods/eviction");

/// The accounts, each with its namespace's ending and what its neighbours may do and it may not.
const ACCOUNTS: &[(&str, &str, &[Call])] = &[
    // Servers, and the unsealers beside them.
    (
        "",
        "NAME",
        &[
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-server-certificates", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME-operations/secrets/NAME-authority", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME/pods", "list", "pods"),
            EVICTION,
            ("GET", "/apis/apps/v1/namespaces/NAME/statefulsets/NAME", "get", "statefulsets"),
            (
                "POST",
                "/api/v1/namespaces/NAME-operations/serviceaccounts/NAME-administrator/token",
                "create",
                "serviceaccounts/token",
            ),
            (
                "POST",
                "/api/v1/namespaces/NAME-operations/serviceaccounts/NAME-cluster-controller/token",
                "create",
                "serviceaccounts/token",
            ),
        ],
    ),
    (
        "",
        "NAME-proxy",
        &[
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-proxy-certificate", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME/configmaps/NAME-document", "get", "configmaps"),
            ("GET", "/api/v1/namespaces/NAME/pods/NAME-0", "get", "pods"),
            EVICTION,
        ],
    ),
    (
        "-operations",
        "NAME-cluster-controller",
        &[
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-keys-0001", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-key-encryption", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-server-certificates", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME/pods", "list", "pods"),
            ("GET", "/api/v1/namespaces/NAME/configmaps/another", "get", "configmaps"),
            (
                "GET",
                "/apis/coordination.k8s.io/v1/namespaces/NAME-operations/leases/NAME-certificates-controller",
                "get",
                "leases",
            ),
            (
                "POST",
                "/api/v1/namespaces/NAME/serviceaccounts/NAME/token",
                "create",
                "serviceaccounts/token",
            ),
        ],
    ),
    (
        "-operations",
        "NAME-certificates-controller",
        &[
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-keys-0001", "get", "secrets"),
            ("GET", "/api/v1/namespaces/NAME/secrets/NAME-key-encryption", "get", "secrets"),
            ("GET", "/apis/apps/v1/namespaces/NAME/statefulsets/NAME", "get", "statefulsets"),
            EVICTION,
            (
                "DELETE",
                "/api/v1/namespaces/NAME-operations/secrets/NAME-authority",
                "delete",
                "secrets",
            ),
        ],
    ),
    (
        "-operations",
        "NAME-administrator",
        &[("GET", "/api/v1/namespaces/NAME/configmaps/NAME-document", "get", "configmaps")],
    ),
    (
        "-operations",
        "NAME-token-reviewer",
        &[("GET", "/api/v1/namespaces/NAME/configmaps/NAME-document", "get", "configmaps")],
    ),
];

/// The refusal must be that of the rights: a call that fails for another reason proves nothing.
#[track_caller]
fn is_refused(cluster: &Kube, who: &str, account: &Account, call: &Call) {
    let (method, path, verb, resource) = *call;
    let path = path.replace("NAME", cluster.name());
    let said = account.call(method, &path);
    let refusal = format!("cannot {verb} resource \"{resource}\"");
    assert!(
        said.as_ref().is_err_and(|why| why.contains(&refusal)),
        "{who} may {method} {path}: {said:#?}"
    );
}

/// Tries all of it, as each account.
pub(super) fn every_account(cluster: &Kube) {
    let secret = ["create", "secret", "generic", "somebody-elses", "--from-literal=a=b"];
    let _ = cluster.kubectl(&secret);
    std::thread::scope(|scope| {
        for (ending, who, own) in ACCOUNTS {
            scope.spawn(move || {
                let who = who.replace("NAME", cluster.name());
                let account = cluster.account(&format!("{}{ending}", cluster.name()), &who);
                for call in NOBODY.iter().chain(*own) {
                    is_refused(cluster, &who, &account, call);
                }
                applies_nothing_else(cluster, &who, &account);
            });
        }
    });
}

/// Objects that no account may write, by apply and with their names.
fn applies_nothing_else(cluster: &Kube, who: &str, account: &Account) {
    let name = cluster.name();
    let objects = [
        ("v1", "Pod", "pods", name, format!("{name}-0")),
        ("v1", "ConfigMap", "configmaps", name, "another".to_owned()),
        ("v1", "ConfigMap", "configmaps", "default", format!("{name}-document")),
        ("v1", "Secret", "secrets", name, "somebody-elses".to_owned()),
        ("v1", "ServiceAccount", "serviceaccounts", name, name.to_owned()),
        ("rbac.authorization.k8s.io/v1", "Role", "roles", name, format!("{name}-unsealer")),
        (
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "rolebindings",
            name,
            format!("{name}-unsealer"),
        ),
        ("vaultyard.dev/v1alpha1", "VaultCluster", "vaultclusters", name, name.to_owned()),
    ];
    for (api_version, kind, plural, namespace, object) in objects {
        let body = serde_json::json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": object, "namespace": namespace, "labels": {"tried-by": who}},
        });
        let group = if api_version == "v1" { "api" } else { "apis" };
        let path = format!("/{group}/{api_version}/namespaces/{namespace}/{plural}/{object}");
        let said = account.apply(&path, &body);
        let refusal = format!("cannot patch resource \"{plural}\"");
        assert!(
            said.as_ref().is_err_and(|why| why.contains(&refusal)),
            "{who} may apply the {kind} {object} in {namespace}: {said:#?}"
        );
    }
}
