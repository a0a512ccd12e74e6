//! What stands before the proxies, and what it must know of them.

use serde_json::json;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, Way};

use super::{gateway_api, ingress};
use crate::kubernetes::deployment::REQUEST_SECONDS;
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;

/// The port of the proxies' Service that everything in front of them uses.
pub(super) const PORT: &str = "https";
/// The same port as a number.
pub(super) const PORT_NUMBER: i32 = 443;
/// Where a proxy says that it lives. It says so too while no server leads: it holds requests then,
/// which is better than what a load balancer without backends does.
pub(super) const HEALTH: &str = "/-/healthy";
/// How much longer than the proxies whatever stands before them waits: the proxy's answer says why a
/// request failed.
const MARGIN_SECONDS: u64 = 10;

/// The objects.
pub(super) fn objects(cluster: &Cluster, names: &Names) -> Vec<Object> {
    match &cluster.ingress.front {
        None => Vec::new(),
        Some(front) => match &front.way {
            Way::Ingress { class } => ingress::ingress(cluster, names, front, class.as_str()),
            Way::Gateway { .. } | Way::SharedGateway { .. } => {
                gateway_api::objects(cluster, names, front)
            }
        },
    }
}

/// The longest that a request can take at a proxy, in seconds: it waits for a leader, then for the
/// server.
pub(super) fn request_seconds(cluster: &Cluster) -> u64 {
    let hold = cluster.ingress.proxy.hold;
    let whole = hold.as_secs() + u64::from(hold.subsec_nanos() > 0);
    whole + REQUEST_SECONDS
}

/// After how many seconds a request is given up.
pub(super) fn timeout_seconds(cluster: &Cluster) -> u64 {
    request_seconds(cluster) + MARGIN_SECONDS
}

/// What a load balancer must find on the proxies' Service.
pub(in crate::kubernetes) fn service_annotations(
    cluster: &Cluster,
    names: &Names,
) -> Vec<(&'static str, String)> {
    let of_google = |front: &&Front| front.google.is_some();
    match cluster.ingress.front.as_ref().filter(of_google).map(|front| &front.way) {
        Some(Way::Ingress { .. }) => vec![
            // Straight to the pods: with a detour over nodes, a proxy that goes away is still sent
            // requests.
            ("cloud.google.com/neg", json!({"ingress": true}).to_string()),
            ("cloud.google.com/app-protocols", json!({PORT: "HTTPS"}).to_string()),
            (
                "cloud.google.com/backend-config",
                json!({"ports": {PORT: names.front()}}).to_string(),
            ),
        ],
        _ => Vec::new(),
    }
}

/// What the proxies' port speaks, where a Gateway of GKE has to be told.
pub(in crate::kubernetes) fn application_protocol(cluster: &Cluster) -> Option<String> {
    let front = cluster.ingress.front.as_ref()?;
    let is_gateway = !matches!(front.way, Way::Ingress { .. });
    (is_gateway && front.google.is_some()).then(|| "HTTPS".to_owned())
}
