//! Kubeconfigs that lead nowhere, or to nobody who may do anything.

use serde_json::json;
use vaultyard_e2e::kubernetes::{Kube, Machines};

use super::BAD_INPUT;

/// `check` and `up` with this kubeconfig end with this code and say each of `words`.
#[track_caller]
fn says(cluster: &Kube, kubeconfig: &str, code: Option<i32>, words: &[&str]) {
    let flags = ["--kubeconfig", kubeconfig];
    for said in [cluster.check(&flags), cluster.up_within("20s", &flags)] {
        assert_eq!(said.code, code, "{said:#?}");
        for word in words {
            assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
        }
    }
    let namespace = cluster.try_kubectl(&["get", "namespace", cluster.name()]);
    assert_ne!(namespace.code, Some(0), "something was written: {namespace:#?}");
}

#[test]
fn an_account_without_rights() {
    let _machines = Machines::shared();
    let cluster = Kube::declared("");
    let namespace = format!("{}-person", cluster.name());
    let _ = cluster.kubectl(&["create", "namespace", &namespace]);
    let _ = cluster.kubectl_in(&namespace, &["create", "serviceaccount", "person"]);
    let person = cluster.account(&namespace, "person");
    let roles = format!("roles.rbac.authorization.k8s.io {}", cluster.name());
    let words =
        ["lacks rights", "VERBS", "customresourcedefinitions.apiextensions.k8s.io", "escalate"];
    says(&cluster, person.kubeconfig(), BAD_INPUT, &words);
    let said = cluster.check(&["--kubeconfig", person.kubeconfig()]);
    let squeezed = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains(&roles), "{squeezed}");
    let _ = cluster.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}

/// A right that is missing is found even where all others are there.
#[test]
fn an_account_that_lacks_one_right() {
    let _machines = Machines::shared();
    let cluster = Kube::declared("");
    let name = format!("{}-person", cluster.name());
    let _ = cluster.kubectl(&["create", "namespace", &name]);
    let _ = cluster.kubectl_in(&name, &["create", "serviceaccount", "person"]);
    let person = cluster.account(&name, "person");
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let groups = ["", "apps", "vaultyard.dev", "networking.k8s.io", "authentication.k8s.io"];
    let administration = ["apiextensions.k8s.io", "admissionregistration.k8s.io"];
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            rule(&groups, &["*"], &["*"]),
            rule(&administration, &["*"], &["get", "list", "create"]),
            rule(&["rbac.authorization.k8s.io"], &["*"], &["*"]),
        ],
    });
    let role = cluster.write("role.json", &role.to_string());
    let _ = cluster.kubectl(&["create", "-f", &role]);
    let account = format!("--serviceaccount={name}:person");
    let role = format!("--clusterrole={name}");
    let _ = cluster.kubectl(&["create", "clusterrolebinding", &name, &role, &account]);
    let said = cluster.check(&["--kubeconfig", person.kubeconfig()]);
    for kind in ["clusterrolebinding", "clusterrole", "namespace"] {
        let _ = cluster.kubectl(&["delete", kind, &name, "--wait=false"]);
    }
    assert_eq!(said.code, BAD_INPUT, "{said:#?}");
    let table: Vec<_> = said.stderr.lines().skip_while(|line| !line.starts_with("VERBS")).collect();
    let rows: Vec<_> = table.iter().skip(1).filter(|line| !line.starts_with("Hint")).collect();
    assert_eq!(rows.len(), 3, "{said:#?}");
    for (row, kind) in rows.iter().zip([
        "customresourcedefinitions",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ]) {
        assert!(row.starts_with("patch ") && row.contains(kind), "{row}");
    }
}

#[test]
fn credentials_that_are_not_accepted() {
    let _machines = Machines::shared();
    let cluster = Kube::declared("");
    let words = ["does not accept the credentials", "may have expired", "log in anew"];
    let token = cluster.kubeconfig(&json!({"token": "of-somebody-who-was-never-here"}));
    says(&cluster, &cluster.write("bad-token", &token), BAD_INPUT, &words);
    let (certificate, key) = cluster.expired_certificate();
    let user = json!({"client-certificate": certificate, "client-key": key});
    let expired = cluster.kubeconfig(&user);
    says(&cluster, &cluster.write("expired", &expired), BAD_INPUT, &words);
}

#[test]
fn an_api_server_that_is_not_there() {
    let cluster = Kube::declared("");
    // Nobody listens at a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("https://127.0.0.1:{port}");
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "mine"}}],
    });
    let kubeconfig = cluster.write("nowhere", &kubeconfig.to_string());
    let words = [&address, "cannot be reached", "check the network and the address"];
    says(&cluster, &kubeconfig, Some(1), &words);
}

#[test]
fn a_kubeconfig_that_is_missing_or_has_no_such_context() {
    let cluster = Kube::declared("");
    let missing = cluster.check(&["--kubeconfig", "/not/there"]);
    assert_eq!(missing.code, BAD_INPUT, "{missing:#?}");
    assert!(missing.stderr.contains("/not/there"), "{missing:#?}");
    let unknown = cluster.check(&["--context", "nowhere"]);
    assert_eq!(unknown.code, BAD_INPUT, "{unknown:#?}");
    assert!(unknown.stderr.contains("no context nowhere"), "{unknown:#?}");
}
