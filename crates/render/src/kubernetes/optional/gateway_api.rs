//! The Gateway API: a Gateway or somebody else's, the routes, and that the proxies' certificate is
//! verified.

pub(super) mod backend_tls_policy;
pub(super) mod gateway;
pub(super) mod http_route;
pub(super) mod tls_route;

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, FrontTls, Way};

use super::front::PORT_NUMBER;
use super::google;
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;

/// The group and version of its kinds.
const VERSION: &str = "gateway.networking.k8s.io/v1";
/// The listener of a Gateway of ours that clients use.
const HTTPS: &str = "https";
/// The listener that sends them there.
const HTTP: &str = "http";

/// The objects.
pub(super) fn objects(cluster: &Cluster, names: &Names, front: &Front) -> Vec<Object> {
    let mut all = Vec::new();
    if let Way::Gateway { class } = &front.way {
        all.push(gateway::gateway(cluster, names, front, class.as_str()));
    }
    if front.tls == FrontTls::Passthrough {
        all.push(tls_route::tls_route(cluster, names, front));
        return all;
    }
    all.push(backend_tls_policy::backend_tls_policy(cluster, names));
    if let Some(google) = &front.google {
        all.extend(google::policies(cluster, names, front, google));
    }
    all.push(http_route::http_route(cluster, names, front));
    if matches!(front.way, Way::Gateway { .. }) {
        all.push(http_route::redirect(cluster, names));
    }
    all
}

/// A Gateway as others refer to it.
pub(super) fn reference(name: &str) -> Json {
    json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name})
}

/// The Gateway of a route, and the listener when it is known.
fn parent(names: &Names, front: &Front, listener: &str) -> Json {
    match &front.way {
        Way::SharedGateway { name, namespace, listener } => {
            let mut parent = reference(name.as_str());
            if let Some(namespace) = namespace {
                parent["namespace"] = json!(namespace.as_str());
            }
            if let Some(listener) = listener {
                parent["sectionName"] = json!(listener.as_str());
            }
            parent
        }
        Way::Gateway { .. } | Way::Ingress { .. } => own_parent(names, listener),
    }
}

/// A Gateway of ours as the parent of a route.
fn own_parent(names: &Names, listener: &str) -> Json {
    let mut parent = reference(names.front());
    parent["sectionName"] = json!(listener);
    parent
}

/// Where routes lead: to the proxies.
fn backends(names: &Names) -> Json {
    json!([{"group": "", "kind": "Service", "name": names.service(), "port": PORT_NUMBER, "weight": 1}])
}
