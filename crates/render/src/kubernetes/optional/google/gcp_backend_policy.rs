//! How a Gateway of GKE treats the proxies.

use serde_json::json;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::GoogleLoadBalancer;

use super::{GKE, attached, service, treatment};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(GKE, "GCPBackendPolicy", "gcpbackendpolicies");

pub(super) fn gcp_backend_policy(
    cluster: &Cluster,
    names: &Names,
    google: &GoogleLoadBalancer,
) -> Object {
    let mut policy = treatment(cluster, google);
    if let Some(security) = &google.security_policy {
        policy["securityPolicy"] = json!(security.as_str());
    }
    RESOURCE.object(names, names.front(), attached(policy, &service(names)))
}
