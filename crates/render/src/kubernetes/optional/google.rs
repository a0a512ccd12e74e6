//! What Google's load balancers are told, by an Ingress or by a Gateway.

pub(super) mod backend_config;
pub(super) mod frontend_config;
pub(super) mod gcp_backend_policy;
pub(super) mod gcp_gateway_policy;
pub(super) mod health_check_policy;

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, FrontTls, GoogleLoadBalancer, GoogleName, Way};

use super::front::{request_seconds, timeout_seconds};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;

/// The group and version of what GKE's Gateways read.
const GKE: &str = "networking.gke.io/v1";
/// How often each of Google's probers asks, in seconds. There are dozens of them.
const CHECK_SECONDS: u64 = 5;
/// How long it waits for an answer.
const ANSWER_SECONDS: u64 = 3;
/// So many answers make a proxy healthy.
const HEALTHY: u64 = 1;
/// So many answers that do not come make it unhealthy.
const UNHEALTHY: u64 = 2;
/// The longest draining that Google takes.
const MOST_DRAINING_SECONDS: u64 = 3600;

/// What an Ingress of GKE names: how backends are treated and, in front of the internet, clients.
pub(super) fn configs(
    cluster: &Cluster,
    names: &Names,
    front: &Front,
    google: &GoogleLoadBalancer,
) -> Vec<Object> {
    let mut all = vec![backend_config::backend_config(cluster, names, google)];
    if front.way.is_global() {
        all.push(frontend_config::frontend_config(names, google));
    }
    all
}

/// What GKE's Gateways read beside the routes.
pub(super) fn policies(
    cluster: &Cluster,
    names: &Names,
    front: &Front,
    google: &GoogleLoadBalancer,
) -> Vec<Object> {
    let mut all = vec![
        health_check_policy::health_check_policy(names),
        gcp_backend_policy::gcp_backend_policy(cluster, names, google),
    ];
    if let (Way::Gateway { .. }, Some(policy)) = (&front.way, &google.ssl_policy) {
        all.push(gcp_gateway_policy::gcp_gateway_policy(names, policy));
    }
    all
}

/// The annotations of an Ingress of GKE.
pub(super) fn annotations(
    names: &Names,
    front: &Front,
    google: &GoogleLoadBalancer,
    class: &str,
) -> Vec<(&'static str, String)> {
    // GKE does not look at `ingressClassName`.
    let mut all = vec![("kubernetes.io/ingress.class", class.to_owned())];
    let global = front.way.is_global();
    if global {
        all.push(("networking.gke.io/v1beta1.FrontendConfig", names.front().to_owned()));
    } else {
        // There is no redirect within a network, and a token must not come in the clear.
        all.push(("kubernetes.io/ingress.allow-http", "false".to_owned()));
    }
    let address = google.static_address.as_ref().map(|name| name.as_str().to_owned());
    all.extend(address.map(|name| match global {
        true => ("kubernetes.io/ingress.global-static-ip-name", name),
        false => ("kubernetes.io/ingress.regional-static-ip-name", name),
    }));
    if let FrontTls::PreShared(certificates) = &front.tls {
        all.push(("ingress.gcp.kubernetes.io/pre-shared-cert", joined(certificates)));
    }
    all
}

/// Names as Google's annotations and options have them.
pub(super) fn joined(names: &[GoogleName]) -> String {
    names.iter().map(GoogleName::as_str).collect::<Vec<_>>().join(",")
}

/// How proxies are treated, in the words that both kinds have which say so.
fn treatment(cluster: &Cluster, google: &GoogleLoadBalancer) -> Json {
    let wanted = google.connection_draining.map(|draining| draining.as_secs());
    let draining = wanted.unwrap_or_else(|| request_seconds(cluster)).min(MOST_DRAINING_SECONDS);
    json!({
        "timeoutSec": timeout_seconds(cluster),
        "connectionDraining": {"drainingTimeoutSec": draining},
    })
}

/// What a policy holds: it is attached to what it is about.
fn attached(default: Json, target: &Json) -> Json {
    json!({"spec": {"default": default, "targetRef": target}})
}

/// The proxies' Service as the target of a policy.
fn service(names: &Names) -> Json {
    json!({"group": "", "kind": "Service", "name": names.service()})
}
