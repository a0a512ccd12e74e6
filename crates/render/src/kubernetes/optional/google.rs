//! What Google's load balancers are told, by an Ingress or by a Gateway.

use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, FrontTls, GoogleLoadBalancer, GoogleName, Way};

use super::front::{HEALTH, request_seconds, timeout_seconds};
use super::{BACKEND_CONFIG, BACKEND_POLICY, FRONTEND_CONFIG, GATEWAY_POLICY, HEALTH_CHECK_POLICY};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::pod::API;

/// How often each of Google's probers asks, in seconds. There are dozens of them.
const CHECK_SECONDS: u64 = 5;
/// How long it waits for an answer.
const ANSWER_SECONDS: u64 = 3;
/// The longest draining that Google takes.
const MOST_DRAINING_SECONDS: u64 = 3600;

/// What an Ingress of GKE names: how backends are treated and, in front of the internet, clients.
pub(super) fn configs(
    cluster: &Cluster,
    names: &Names,
    front: &Front,
    google: &GoogleLoadBalancer,
) -> Vec<Object> {
    let mut backend = json!({
        "timeoutSec": timeout_seconds(cluster),
        "connectionDraining": {"drainingTimeoutSec": draining_seconds(cluster, google)},
        "healthCheck": {
            "type": "HTTPS",
            "requestPath": HEALTH,
            "port": API,
            "checkIntervalSec": CHECK_SECONDS,
            "timeoutSec": ANSWER_SECONDS,
            "healthyThreshold": 1,
            "unhealthyThreshold": 2,
        },
    });
    if let Some(policy) = &google.security_policy {
        backend["securityPolicy"] = json!({"name": policy.as_str()});
    }
    let mut all = vec![BACKEND_CONFIG.object(names, names.front(), json!({"spec": backend}))];
    if front.way.is_global() {
        let redirect = json!({"enabled": true, "responseCodeName": "PERMANENT_REDIRECT"});
        let mut frontend = json!({"redirectToHttps": redirect});
        if let Some(policy) = &google.ssl_policy {
            frontend["sslPolicy"] = json!(policy.as_str());
        }
        all.push(FRONTEND_CONFIG.object(names, names.front(), json!({"spec": frontend})));
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

/// What GKE's Gateways read beside the routes.
pub(super) fn policies(
    cluster: &Cluster,
    names: &Names,
    front: &Front,
    google: &GoogleLoadBalancer,
) -> Vec<Object> {
    let service = json!({"group": "", "kind": "Service", "name": names.service()});
    let mut backend = json!({
        "timeoutSec": timeout_seconds(cluster),
        "connectionDraining": {"drainingTimeoutSec": draining_seconds(cluster, google)},
    });
    if let Some(policy) = &google.security_policy {
        backend["securityPolicy"] = json!(policy.as_str());
    }
    let check = json!({
        "checkIntervalSec": CHECK_SECONDS,
        "timeoutSec": ANSWER_SECONDS,
        "healthyThreshold": 1,
        "unhealthyThreshold": 2,
        "config": {"type": "HTTPS", "httpsHealthCheck": {"requestPath": HEALTH, "port": API}},
    });
    let attached =
        |default: Json, target: &Json| json!({"spec": {"default": default, "targetRef": target}});
    let mut all = vec![
        HEALTH_CHECK_POLICY.object(names, names.front(), attached(check, &service)),
        BACKEND_POLICY.object(names, names.front(), attached(backend, &service)),
    ];
    if let (Way::Gateway { .. }, Some(policy)) = (&front.way, &google.ssl_policy) {
        let target = json!({
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": names.front(),
        });
        let body = attached(json!({"sslPolicy": policy.as_str()}), &target);
        all.push(GATEWAY_POLICY.object(names, names.front(), body));
    }
    all
}

/// Names as Google's annotations and options have them.
pub(super) fn joined(names: &[GoogleName]) -> String {
    names.iter().map(GoogleName::as_str).collect::<Vec<_>>().join(",")
}

fn draining_seconds(cluster: &Cluster, google: &GoogleLoadBalancer) -> u64 {
    let wanted = google.connection_draining.map(|draining| draining.as_secs());
    wanted.unwrap_or_else(|| request_seconds(cluster)).min(MOST_DRAINING_SECONDS)
}
