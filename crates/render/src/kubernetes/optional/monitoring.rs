//! Who reads the metrics: monitors, alerts and a dashboard.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta,
};
use serde_json::{Value as Json, json};
use vaultyard_model::Cluster;
use vaultyard_model::cluster::Collector;

use super::{CONFIG_MAP, POD_MONITOR, POD_MONITORING, PROMETHEUS_RULE, RULES, alerts, dashboard};
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
/// The label by which Grafana's sidecar finds dashboards.
const GRAFANA: &str = "grafana_dashboard";

/// The objects.
pub(super) fn monitoring(cluster: &Cluster, names: &Names) -> Vec<Object> {
    let monitoring = &cluster.monitoring;
    let mut all = match &monitoring.collector {
        None => Vec::new(),
        Some(Collector::Google) => {
            [Scope::Application, Scope::Operations].map(|scope| pod_monitoring(names, scope)).into()
        }
        Some(Collector::Operator { labels, .. }) => vec![pod_monitor(names, labels)],
    };
    let (application, operations) =
        (alerts::of_application(cluster, names), alerts::of_operations(names));
    match &monitoring.collector {
        Some(Collector::Google) if monitoring.alerts => {
            all.push(google_rules(names, Scope::Application, application));
            all.push(google_rules(names, Scope::Operations, operations));
        }
        Some(Collector::Operator { labels, .. }) if monitoring.alerts => {
            let groups = json!({"spec": {"groups": [application, operations]}});
            all.push(PROMETHEUS_RULE.object_with(labelled(names, labels), groups));
        }
        _ => {}
    }
    if monitoring.dashboard {
        let mut metadata = metadata(names, Scope::Application, None, names.dashboard());
        metadata.labels.get_or_insert_default().insert(GRAFANA.to_owned(), "1".to_owned());
        let file = format!("{}-{}.json", names.namespace(), names.cluster());
        let text = format!("{:#}\n", dashboard::dashboard(names));
        all.push(CONFIG_MAP.object_with(metadata, json!({"data": {file: text}})));
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

/// A PodMonitoring sees its own namespace only.
fn pod_monitoring(names: &Names, scope: Scope) -> Object {
    let spec = json!({"selector": selector(names), "endpoints": endpoints()});
    let metadata = metadata(names, scope, None, names.front());
    POD_MONITORING.object_with(metadata, json!({"spec": spec}))
}

/// Rules see the metrics of their own namespace only.
fn google_rules(names: &Names, scope: Scope, group: Json) -> Object {
    let metadata = metadata(names, scope, None, names.front());
    RULES.object_with(metadata, json!({"spec": {"groups": [group]}}))
}

fn pod_monitor(names: &Names, labels: &BTreeMap<String, String>) -> Object {
    let spec = json!({
        "namespaceSelector": {"matchNames": [names.namespace(), names.operations()]},
        "selector": selector(names),
        "podMetricsEndpoints": endpoints(),
    });
    POD_MONITOR.object_with(labelled(names, labels), json!({"spec": spec}))
}

/// Metadata with a person's labels beside ours, which stay what they are.
fn labelled(names: &Names, labels: &BTreeMap<String, String>) -> ObjectMeta {
    let mut metadata = metadata(names, Scope::Application, None, names.front());
    let ours = metadata.labels.take().unwrap_or_default();
    metadata.labels = Some(labels.clone().into_iter().chain(ours).collect());
    metadata
}
