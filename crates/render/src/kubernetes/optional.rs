//! What stands there only when the document asks for it: what traffic comes in by, and what
//! monitoring reads. Most of these kinds are not Kubernetes' own. A Role names them only while they
//! are asked for, so that who asks for them runs `up` once more.

mod front;
mod gateway_api;
mod google;
mod ingress;
mod monitoring;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;

use super::labels::{Scope, metadata};
use super::names::Names;
use super::object::Object;
use gateway_api::{backend_tls_policy, gateway, http_route, tls_route};
use google::{
    backend_config, frontend_config, gcp_backend_policy, gcp_gateway_policy, health_check_policy,
};
use monitoring::{dashboard, pod_monitor, pod_monitoring, prometheus_rule, rules};

pub(super) use front::{application_protocol, service_annotations};
pub(super) use monitoring::scrapers;

/// A kind of object that is optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// `apiVersion`.
    pub api_version: &'static str,
    /// `kind`.
    pub kind: &'static str,
    /// Its name in rules of Roles.
    pub plural: &'static str,
}

const fn resource(api_version: &'static str, kind: &'static str, plural: &'static str) -> Resource {
    Resource { api_version, kind, plural }
}

/// All optional kinds.
pub const RESOURCES: [Resource; 15] = [
    dashboard::RESOURCE,
    ingress::RESOURCE,
    backend_config::RESOURCE,
    frontend_config::RESOURCE,
    gateway::RESOURCE,
    http_route::RESOURCE,
    tls_route::RESOURCE,
    backend_tls_policy::RESOURCE,
    health_check_policy::RESOURCE,
    gcp_backend_policy::RESOURCE,
    gcp_gateway_policy::RESOURCE,
    pod_monitoring::RESOURCE,
    rules::RESOURCE,
    pod_monitor::RESOURCE,
    prometheus_rule::RESOURCE,
];

/// The optional objects that the document asks for, in the order in which they must be applied.
pub(super) fn objects(cluster: &Cluster, names: &Names) -> Vec<Object> {
    let mut all = front::objects(cluster, names);
    all.extend(monitoring::objects(cluster, names));
    all
}

/// The optional objects that the document does not ask for, by kind and name only. Where they stand
/// and carry our labels, an earlier document asked for them: a way in that nobody wants any more.
pub fn unwanted(cluster: &Cluster) -> Vec<Object> {
    let names = Names::of(cluster);
    let bare = |resource: &Resource, name: String| resource.object(&names, name, json!({}));
    let named_alike = RESOURCES.iter().filter(|resource| **resource != dashboard::RESOURCE);
    let mut all: Vec<Object> =
        named_alike.map(|resource| bare(resource, names.front().to_owned())).collect();
    all.extend([
        bare(&http_route::RESOURCE, names.redirect()),
        bare(&dashboard::RESOURCE, names.dashboard()),
    ]);
    let in_operations = |resource: Resource| {
        let metadata = metadata(&names, Scope::Operations, None, names.front());
        resource.object_with(metadata, json!({}))
    };
    all.extend([pod_monitoring::RESOURCE, rules::RESOURCE].map(in_operations));
    let wanted = objects(cluster, &names);
    all.retain(|object| !wanted.iter().any(|wanted| wanted.is(object)));
    all
}

/// The optional objects in one namespace as rules of a Role name them: group, resource, names.
pub(super) fn named(
    cluster: &Cluster,
    names: &Names,
    scope: Scope,
) -> BTreeMap<(&'static str, &'static str), Vec<String>> {
    let namespace = if scope == Scope::Operations { names.operations() } else { names.namespace() };
    let mut all: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for object in objects(cluster, names) {
        let is_kind = |resource: &&Resource| {
            resource.kind == object.kind && resource.api_version == object.api_version
        };
        let known = RESOURCES.iter().find(is_kind);
        if let Some(known) = known.filter(|_| object.namespace.as_deref() == Some(namespace)) {
            let group = known.api_version.split_once('/').map_or("", |(group, _)| group);
            all.entry((group, known.plural)).or_default().push(object.name);
        }
    }
    all
}

impl Resource {
    /// An object of this kind in the application namespace. `body` is what stands beside its
    /// metadata.
    fn object(&self, names: &Names, name: impl Into<String>, body: Json) -> Object {
        self.object_with(metadata(names, Scope::Application, None, name), body)
    }

    fn object_with(&self, metadata: ObjectMeta, body: Json) -> Object {
        let mut whole = json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": metadata,
        });
        if let (Json::Object(whole), Json::Object(body)) = (&mut whole, body) {
            whole.extend(body);
        }
        Object::from_json(whole)
    }
}
