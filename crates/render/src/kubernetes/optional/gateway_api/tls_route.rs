//! The route of clients whose TLS the proxies end themselves.

use serde_json::json;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::Front;

use super::{HTTPS, VERSION, backends, parent};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(VERSION, "TLSRoute", "tlsroutes");

pub(super) fn tls_route(cluster: &Cluster, names: &Names, front: &Front) -> Object {
    let spec = json!({
        "parentRefs": [parent(names, front, HTTPS)],
        "hostnames": [cluster.dns.host.as_str()],
        "rules": [{"backendRefs": backends(names)}],
    });
    RESOURCE.object(names, names.front(), json!({"spec": spec}))
}
