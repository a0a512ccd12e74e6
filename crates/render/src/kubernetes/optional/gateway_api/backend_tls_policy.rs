//! How a Gateway knows the proxies: they speak TLS, with a certificate for the name that clients use.

use serde_json::json;
use vaultyard_model::Cluster;

use super::VERSION;
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::front::PORT;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(VERSION, "BackendTLSPolicy", "backendtlspolicies");

/// The certificate's authority stands in a ConfigMap, because no Gateway need be able to read one from
/// a Secret.
pub(super) fn backend_tls_policy(cluster: &Cluster, names: &Names) -> Object {
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
    RESOURCE.object(names, names.front(), json!({"spec": spec}))
}
