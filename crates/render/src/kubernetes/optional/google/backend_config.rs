//! How an Ingress of GKE treats the proxies.

use serde_json::json;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::GoogleLoadBalancer;

use super::{ANSWER_SECONDS, CHECK_SECONDS, HEALTHY, UNHEALTHY, treatment};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::front::HEALTH;
use crate::kubernetes::optional::{Resource, resource};
use crate::kubernetes::pod::API;

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("cloud.google.com/v1", "BackendConfig", "backendconfigs");

pub(super) fn backend_config(
    cluster: &Cluster,
    names: &Names,
    google: &GoogleLoadBalancer,
) -> Object {
    let mut spec = treatment(cluster, google);
    spec["healthCheck"] = json!({
        "type": "HTTPS",
        "requestPath": HEALTH,
        "port": API,
        "checkIntervalSec": CHECK_SECONDS,
        "timeoutSec": ANSWER_SECONDS,
        "healthyThreshold": HEALTHY,
        "unhealthyThreshold": UNHEALTHY,
    });
    if let Some(policy) = &google.security_policy {
        spec["securityPolicy"] = json!({"name": policy.as_str()});
    }
    RESOURCE.object(names, names.front(), json!({"spec": spec}))
}
