//! Who reads the metrics: monitors, alerts and a dashboard.

mod alerts;
pub(super) mod dashboard;
pub(super) mod pod_monitor;
pub(super) mod pod_monitoring;
pub(super) mod prometheus_rule;
pub(super) mod rules;

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta,
};
use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::Collector;

use crate::kubernetes::labels::{INSTANCE, NAME, Scope, VAULTYARD, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::network_policy::NAMESPACE;
use crate::kubernetes::object::Object;

/// The name of the port of our pods that has the metrics.
const PORT: &str = "probes";
const PATH: &str = "/metrics";
/// How often they are read.
const EVERY: &str = "30s";
/// Where GKE runs its collectors: the second on Autopilot.
const GOOGLE_NAMESPACES: [&str; 2] = ["gmp-system", "gke-gmp-system"];

/// The objects.
pub(super) fn objects(cluster: &Cluster, names: &Names) -> Vec<Object> {
    let monitoring = &cluster.monitoring;
    let mut all = Vec::new();
    match &monitoring.collector {
        None => {}
        // Both of Google's kinds see their own namespace only.
        Some(Collector::Google) => {
            let scopes = [Scope::Application, Scope::Operations];
            all.extend(scopes.map(|scope| pod_monitoring::pod_monitoring(names, scope)));
            if monitoring.alerts {
                let (serves, keeps) =
                    (alerts::of_application(cluster, names), alerts::of_operations(names));
                all.push(rules::rules(names, Scope::Application, serves));
                all.push(rules::rules(names, Scope::Operations, keeps));
            }
        }
        Some(Collector::Operator { labels, .. }) => {
            all.push(pod_monitor::pod_monitor(names, labels));
            if monitoring.alerts {
                all.push(prometheus_rule::prometheus_rule(cluster, names, labels));
            }
        }
    }
    if monitoring.dashboard {
        all.push(dashboard::config_map(names));
    }
    all
}

/// From where the metrics are read, as the NetworkPolicies have it; nothing: nobody reads them.
pub(in crate::kubernetes) fn scrapers(cluster: &Cluster) -> Vec<NetworkPolicyPeer> {
    let namespaces = match &cluster.monitoring.collector {
        None => return Vec::new(),
        Some(Collector::Google) => GOOGLE_NAMESPACES.map(str::to_owned).to_vec(),
        Some(Collector::Operator { namespace, .. }) => {
            namespace.iter().map(ToString::to_string).collect()
        }
    };
    let named = |values: Vec<String>| LabelSelectorRequirement {
        key: NAMESPACE.to_owned(),
        operator: "In".to_owned(),
        values: Some(values),
    };
    let selector = LabelSelector {
        match_expressions: (!namespaces.is_empty()).then(|| vec![named(namespaces)]),
        match_labels: None,
    };
    vec![NetworkPolicyPeer { namespace_selector: Some(selector), ..Default::default() }]
}

/// All pods of the cluster, those of the controllers too.
fn selector(names: &Names) -> Json {
    json!({"matchLabels": {NAME: VAULTYARD, INSTANCE: names.cluster()}})
}

fn endpoints() -> Json {
    json!([{"port": PORT, "path": PATH, "interval": EVERY}])
}

/// Metadata with a person's labels beside ours, which stay what they are.
fn labelled(names: &Names, labels: &BTreeMap<String, String>) -> ObjectMeta {
    let mut metadata = metadata(names, Scope::Application, None, names.front());
    let ours = metadata.labels.take().unwrap_or_default();
    metadata.labels = Some(labels.clone().into_iter().chain(ours).collect());
    metadata
}
