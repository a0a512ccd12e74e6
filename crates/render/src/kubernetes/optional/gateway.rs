//! The Gateway API: a Gateway or somebody else's, the routes, and that the proxies' certificate is
//! verified.

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, FrontTls, Way};

use super::front::{PORT, PORT_NUMBER, timeout_seconds};
use super::ingress::secret;
use super::{BACKEND_TLS_POLICY, GATEWAY, HTTP_ROUTE, TLS_ROUTE, google};
use crate::kubernetes::labels::{Scope, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;

/// The listener of a Gateway of ours that clients use.
const HTTPS: &str = "https";
/// The listener that sends them there.
const HTTP: &str = "http";

/// The objects.
pub(super) fn gateway(cluster: &Cluster, names: &Names, front: &Front) -> Vec<Object> {
    let passthrough = front.tls == FrontTls::Passthrough;
    let mut all = Vec::new();
    if let Way::Gateway { class } = &front.way {
        all.push(own_gateway(cluster, names, front, class.as_str()));
    }
    if passthrough {
        all.push(tls_route(cluster, names, front));
        return all;
    }
    all.push(backend_tls_policy(cluster, names));
    if let Some(google) = &front.google {
        all.extend(google::policies(cluster, names, front, google));
    }
    all.push(http_route(cluster, names, front));
    if matches!(front.way, Way::Gateway { .. }) {
        all.push(redirect(cluster, names));
    }
    all
}

fn own_gateway(cluster: &Cluster, names: &Names, front: &Front, class: &str) -> Object {
    let host = cluster.dns.host.as_str();
    let from_here = json!({"namespaces": {"from": "Same"}});
    let listener = |name: &str, port: i32, protocol: &str| {
        json!({
            "name": name, "port": port, "protocol": protocol, "hostname": host,
            "allowedRoutes": from_here,
        })
    };
    let listeners = if front.tls == FrontTls::Passthrough {
        let mut https = listener(HTTPS, PORT_NUMBER, "TLS");
        https["tls"] = json!({"mode": "Passthrough"});
        vec![https]
    } else {
        let mut https = listener(HTTPS, PORT_NUMBER, "HTTPS");
        https["tls"] = certificates(front, names);
        vec![https, listener(HTTP, 80, "HTTP")]
    };
    let mut spec = json!({"gatewayClassName": class, "listeners": listeners});
    let address = front.google.as_ref().and_then(|google| google.static_address.as_ref());
    if let Some(address) = address {
        spec["addresses"] = json!([{"type": "NamedAddress", "value": address.as_str()}]);
    }
    let mut metadata = metadata(names, Scope::Application, None, names.front());
    let annotations = &front.annotations;
    metadata.annotations = (!annotations.is_empty()).then(|| annotations.clone());
    GATEWAY.object_with(metadata, json!({"spec": spec}))
}

fn certificates(front: &Front, names: &Names) -> Json {
    match (&front.tls, secret(front, names)) {
        (FrontTls::PreShared(shared), _) => json!({
            "mode": "Terminate",
            "options": {"networking.gke.io/pre-shared-certs": google::joined(shared)},
        }),
        (_, secret) => json!({
            "mode": "Terminate",
            "certificateRefs": [{"group": "", "kind": "Secret", "name": secret}],
        }),
    }
}

/// The Gateway, and the listener when it is known.
fn parent(names: &Names, front: &Front, listener: &str) -> Json {
    let gateway =
        |name: &str| json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name});
    match &front.way {
        Way::SharedGateway { name, namespace, listener } => {
            let mut parent = gateway(name.as_str());
            if let Some(namespace) = namespace {
                parent["namespace"] = json!(namespace.as_str());
            }
            if let Some(listener) = listener {
                parent["sectionName"] = json!(listener.as_str());
            }
            parent
        }
        Way::Gateway { .. } | Way::Ingress { .. } => {
            let mut parent = gateway(names.front());
            parent["sectionName"] = json!(listener);
            parent
        }
    }
}

fn backends(names: &Names) -> Json {
    json!([{"group": "", "kind": "Service", "name": names.service(), "port": PORT_NUMBER, "weight": 1}])
}

/// The route of clients. GKE knows no timeouts of routes: its policy has them.
fn http_route(cluster: &Cluster, names: &Names, front: &Front) -> Object {
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
    HTTP_ROUTE.object(names, names.front(), json!({"spec": spec}))
}

/// Sends who comes without TLS to where TLS is.
fn redirect(cluster: &Cluster, names: &Names) -> Object {
    let spec = json!({
        "parentRefs": [{
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "name": names.front(),
            "sectionName": HTTP,
        }],
        "hostnames": [cluster.dns.host.as_str()],
        "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "filters": [{
                "type": "RequestRedirect",
                "requestRedirect": {"scheme": "https", "statusCode": 301},
            }],
        }],
    });
    HTTP_ROUTE.object(names, names.redirect(), json!({"spec": spec}))
}

fn tls_route(cluster: &Cluster, names: &Names, front: &Front) -> Object {
    let spec = json!({
        "parentRefs": [parent(names, front, HTTPS)],
        "hostnames": [cluster.dns.host.as_str()],
        "rules": [{"backendRefs": backends(names)}],
    });
    TLS_ROUTE.object(names, names.front(), json!({"spec": spec}))
}

/// The proxies speak TLS, with a certificate for the name that clients use. Its authority stands in
/// a ConfigMap, because no Gateway need be able to read one from a Secret.
fn backend_tls_policy(cluster: &Cluster, names: &Names) -> Object {
    let spec = json!({
        "targetRefs": [{
            "group": "", "kind": "Service", "name": names.service(), "sectionName": PORT,
        }],
        "validation": {
            "hostname": cluster.dns.host.as_str(),
            "caCertificateRefs": [{
                "group": "", "kind": "ConfigMap", "name": names.trust(),
            }],
        },
    });
    BACKEND_TLS_POLICY.object(names, names.front(), json!({"spec": spec}))
}
