//! A cluster as Kubernetes objects: one file a kind, all of it pure and infallible.
//!
//! Each object has one writer. [`installation`] is what a person's `up` writes: what gives rights,
//! the controllers, and the `VaultCluster`. [`workload`] is what the cluster controller keeps from
//! then on. Certificates and keys are Secrets that their own services write; nothing here holds one.

mod admission_policy;
mod affinity;
pub mod config_map;
pub mod deployment;
pub mod labels;
pub mod names;
mod namespace;
mod network_policy;
mod object;
pub mod optional;
pub mod pod;
mod pod_disruption_budget;
mod release;
mod role;
pub mod server_configuration;
pub mod server_pod;
mod service;
mod service_account;
pub mod stateful_set;
#[cfg(test)]
mod tests;
mod vault_cluster;

use serde_json::Value as Json;
use vaultyard_model::Cluster;

pub use affinity::zone_each;
pub use names::Names;
pub use object::{Object, yaml};
pub use release::Release;

/// The same workload at rest: no server and no proxy runs, and everything else stands.
pub fn at_rest(mut workload: Vec<Object>) -> Vec<Object> {
    for object in &mut workload {
        if matches!(object.kind.as_str(), "StatefulSet" | "Deployment") {
            object.body["spec"]["replicas"] = 0.into();
        }
    }
    workload
}

/// What `up` installs, in the order in which it must be applied: `definition` is the custom resource
/// definition, `document` the person's own, which comes last.
pub fn installation(
    cluster: &Cluster,
    release: &Release,
    definition: &Json,
    document: &Json,
) -> Vec<Object> {
    let names = Names::of(cluster);
    let mut all: Vec<Object> = namespace::namespaces(&names).into();
    all.push(Object::from_json(definition.clone()));
    all.extend(admission_policy::admission_policy(cluster, &names, release));
    all.extend(service_account::service_accounts(cluster, &names));
    all.extend(role::roles(cluster, &names));
    all.extend(network_policy::of_operations(cluster, &names));
    all.push(deployment::cluster_controller(cluster, &names, release));
    all.push(deployment::certificates_controller(cluster, &names, release));
    all.push(vault_cluster::vault_cluster(&names, document));
    all
}

/// What the cluster controller keeps, in the order in which it must be applied. `document` is the
/// text that goes into the ConfigMap, as YAML or JSON.
pub fn workload(cluster: &Cluster, release: &Release, document: &str) -> Vec<Object> {
    let servers = cluster.servers.replicas.count();
    workload_of(cluster, servers, servers, release, document)
}

/// The same while so many servers stand, and so many of them `run`, which is one more while one comes, on the way to
/// as many as the document asks for.
pub fn workload_of(
    cluster: &Cluster,
    servers: u8,
    run: u8,
    release: &Release,
    document: &str,
) -> Vec<Object> {
    // As long as two share a zone, or are about to, none may ask for a zone of its own.
    let largest = &cluster.standing(run.max(cluster.servers.replicas.count()));
    let cluster = &cluster.standing(servers);
    let names = Names::of(cluster);
    let mut all = vec![config_map::document(&names, document)];
    all.extend(network_policy::of_the_application(cluster, &names));
    all.push(service::servers(&names));
    all.push(service::proxy(cluster, &names));
    all.extend(pod_disruption_budget::of_servers(cluster, &names));
    all.extend(pod_disruption_budget::of_proxies(cluster, &names));
    all.push(stateful_set::stateful_set(largest, run, &names, release));
    all.push(deployment::proxy(cluster, &names, release));
    all.extend(optional::objects(cluster, &names));
    all
}
