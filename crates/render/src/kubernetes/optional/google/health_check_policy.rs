//! How a Gateway of GKE asks the proxies for their health.

use serde_json::json;

use super::{ANSWER_SECONDS, CHECK_SECONDS, GKE, HEALTHY, UNHEALTHY, attached, service};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::front::HEALTH;
use crate::kubernetes::optional::{Resource, resource};
use crate::kubernetes::pod::API;

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(GKE, "HealthCheckPolicy", "healthcheckpolicies");

pub(super) fn health_check_policy(names: &Names) -> Object {
    let check = json!({
        "checkIntervalSec": CHECK_SECONDS,
        "timeoutSec": ANSWER_SECONDS,
        "healthyThreshold": HEALTHY,
        "unhealthyThreshold": UNHEALTHY,
        "config": {"type": "HTTPS", "httpsHealthCheck": {"requestPath": HEALTH, "port": API}},
    });
    RESOURCE.object(names, names.front(), attached(check, &service(names)))
}
