//! How many pods must stay while nodes are drained. The numbers are absolute: a share is computed
//! anew from what is left, and a drain of several nodes goes below the quorum.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use vaultyard_model::Cluster;

use super::deployment;
use super::labels::{Component, Scope, metadata, pods_of};
use super::names::Names;
use super::object::Object;

/// A majority of the servers stays. For a single server there is none: a drain would wait for ever. Nor could
/// any of two ever go, on the way from one number to another.
pub(super) fn of_servers(cluster: &Cluster, names: &Names) -> Option<Object> {
    let name = names.stateful_set().to_owned();
    let least = match cluster.servers.replicas.count() {
        0 | 1 => return None,
        2 => 1,
        _ => cluster.servers.replicas.quorum(),
    };
    Some(budget(names, Component::Server, name, least.into()))
}

/// One proxy stays, where there is more than one.
pub(super) fn of_proxies(cluster: &Cluster, names: &Names) -> Option<Object> {
    (deployment::proxies(cluster) > 1).then(|| budget(names, Component::Proxy, names.proxy(), 1))
}

/// A pod that is not ready may always go: it is often the one that needs another node.
fn budget(names: &Names, component: Component, name: String, least: i32) -> Object {
    Object::of(&PodDisruptionBudget {
        metadata: metadata(names, Scope::Application, Some(component), name),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(least)),
            selector: Some(pods_of(names, component)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    })
}
