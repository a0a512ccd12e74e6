//! How an Ingress of GKE in front of the internet treats clients.

use serde_json::json;
use vaultyard_model::cluster::GoogleLoadBalancer;

use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("networking.gke.io/v1beta1", "FrontendConfig", "frontendconfigs");

pub(super) fn frontend_config(names: &Names, google: &GoogleLoadBalancer) -> Object {
    let redirect = json!({"enabled": true, "responseCodeName": "PERMANENT_REDIRECT"});
    let mut spec = json!({"redirectToHttps": redirect});
    if let Some(policy) = &google.ssl_policy {
        spec["sslPolicy"] = json!(policy.as_str());
    }
    RESOURCE.object(names, names.front(), json!({"spec": spec}))
}
