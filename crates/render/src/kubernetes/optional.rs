//! What stands there only when the document asks for it: what traffic comes in by, and what
//! monitoring reads. Most of these kinds are not Kubernetes' own. A Role names them only while they
//! are asked for, so that who asks for them runs `up` once more.

mod alerts;
mod dashboard;
mod front;
mod gateway;
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

const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";
const GKE: &str = "networking.gke.io/v1";

const CONFIG_MAP: Resource = resource("v1", "ConfigMap", "configmaps");
const INGRESS: Resource = resource("networking.k8s.io/v1", "Ingress", "ingresses");
const BACKEND_CONFIG: Resource = resource("cloud.google.com/v1", "BackendConfig", "backendconfigs");
const FRONTEND_CONFIG: Resource =
    resource("networking.gke.io/v1beta1", "FrontendConfig", "frontendconfigs");
const GATEWAY: Resource = resource(GATEWAY_API, "Gateway", "gateways");
const HTTP_ROUTE: Resource = resource(GATEWAY_API, "HTTPRoute", "httproutes");
const TLS_ROUTE: Resource = resource(GATEWAY_API, "TLSRoute", "tlsroutes");
const BACKEND_TLS_POLICY: Resource =
    resource(GATEWAY_API, "BackendTLSPolicy", "backendtlspolicies");
const HEALTH_CHECK_POLICY: Resource = resource(GKE, "HealthCheckPolicy", "healthcheckpolicies");
const BACKEND_POLICY: Resource = resource(GKE, "GCPBackendPolicy", "gcpbackendpolicies");
const GATEWAY_POLICY: Resource = resource(GKE, "GCPGatewayPolicy", "gcpgatewaypolicies");
const POD_MONITORING: Resource =
    resource("monitoring.googleapis.com/v1", "PodMonitoring", "podmonitorings");
const RULES: Resource = resource("monitoring.googleapis.com/v1", "Rules", "rules");
const POD_MONITOR: Resource = resource("monitoring.coreos.com/v1", "PodMonitor", "podmonitors");
const PROMETHEUS_RULE: Resource =
    resource("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules");

/// All optional kinds.
pub const RESOURCES: [Resource; 15] = [
    CONFIG_MAP,
    INGRESS,
    BACKEND_CONFIG,
    FRONTEND_CONFIG,
    GATEWAY,
    HTTP_ROUTE,
    TLS_ROUTE,
    BACKEND_TLS_POLICY,
    HEALTH_CHECK_POLICY,
    BACKEND_POLICY,
    GATEWAY_POLICY,
    POD_MONITORING,
    RULES,
    POD_MONITOR,
    PROMETHEUS_RULE,
];

/// The optional objects that the document asks for, in the order in which they must be applied.
pub(super) fn objects(cluster: &Cluster, names: &Names) -> Vec<Object> {
    let mut all = front::front(cluster, names);
    all.extend(monitoring::monitoring(cluster, names));
    all
}

/// The optional objects that the document does not ask for, by kind and name only. Where they stand
/// and carry our labels, an earlier document asked for them: a way in that nobody wants any more.
pub fn unwanted(cluster: &Cluster) -> Vec<Object> {
    let names = Names::of(cluster);
    let bare = |resource: &Resource, name: String| resource.object(&names, name, json!({}));
    let named_alike = RESOURCES.iter().filter(|resource| **resource != CONFIG_MAP);
    let mut all: Vec<Object> =
        named_alike.map(|resource| bare(resource, names.front().to_owned())).collect();
    all.extend([bare(&HTTP_ROUTE, names.redirect()), bare(&CONFIG_MAP, names.dashboard())]);
    let in_operations = |resource: Resource| {
        let metadata = metadata(&names, Scope::Operations, None, names.front());
        resource.object_with(metadata, json!({}))
    };
    all.extend([POD_MONITORING, RULES].map(in_operations));
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
