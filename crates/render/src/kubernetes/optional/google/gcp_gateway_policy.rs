//! Which TLS a Gateway of GKE speaks with clients.

use serde_json::json;
use vaultyard_model::cluster::GoogleName;

use super::{GKE, attached};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::gateway_api::reference;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource(GKE, "GCPGatewayPolicy", "gcpgatewaypolicies");

pub(super) fn gcp_gateway_policy(names: &Names, ssl_policy: &GoogleName) -> Object {
    let policy = json!({"sslPolicy": ssl_policy.as_str()});
    RESOURCE.object(names, names.front(), attached(policy, &reference(names.front())))
}
