//! A Gateway of our own.

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, FrontTls};

use super::{HTTP, HTTPS, VERSION};
use crate::kubernetes::labels::{Scope, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::front::PORT_NUMBER;
use crate::kubernetes::optional::ingress::secret;
use crate::kubernetes::optional::{Resource, google, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(VERSION, "Gateway", "gateways");

pub(super) fn gateway(cluster: &Cluster, names: &Names, front: &Front, class: &str) -> Object {
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
    RESOURCE.object_with(metadata, json!({"spec": spec}))
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
