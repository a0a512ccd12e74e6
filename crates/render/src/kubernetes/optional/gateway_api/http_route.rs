//! The routes of clients: to the proxies, and from the listener without TLS to the one with it.

use serde_json::json;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::Front;

use super::{HTTP, HTTPS, VERSION, backends, own_parent, parent};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::front::timeout_seconds;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(VERSION, "HTTPRoute", "httproutes");

/// To the proxies. GKE knows no timeouts of routes: its policy has them.
pub(super) fn http_route(cluster: &Cluster, names: &Names, front: &Front) -> Object {
    let mut rule = json!({
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": backends(names),
    });
    if front.google.is_none() {
        let timeout = format!("{}s", timeout_seconds(cluster));
        rule["timeouts"] = json!({"request": timeout, "backendRequest": timeout});
    }
    let spec = json!({
        "parentRefs": [parent(names, front, HTTPS)],
        "hostnames": [cluster.dns.host.as_str()],
        "rules": [rule],
    });
    RESOURCE.object(names, names.front(), json!({"spec": spec}))
}

/// Sends who comes without TLS to where TLS is.
pub(super) fn redirect(cluster: &Cluster, names: &Names) -> Object {
    let spec = json!({
        "parentRefs": [own_parent(names, HTTP)],
        "hostnames": [cluster.dns.host.as_str()],
        "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "filters": [{
                "type": "RequestRedirect",
                "requestRedirect": {"scheme": "https", "statusCode": 301},
            }],
        }],
    });
    RESOURCE.object(names, names.redirect(), json!({"spec": spec}))
}
