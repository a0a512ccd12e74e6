//! `spec.monitoring`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::ObjectName;

use crate::scalar::Written;

/// Who looks at the metrics.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = RULES))]
pub(crate) struct Monitoring {
    /// Metrics are collected by Google Cloud Managed Service for Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "no PodMonitoring"))]
    pub(crate) pod_monitoring: Option<PodMonitoring>,
    /// Metrics are collected by a Prometheus of prometheus-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "no PodMonitor"))]
    pub(crate) pod_monitor: Option<PodMonitor>,
    /// Whether there are rules for alerts: a sealed server, no leader, a certificate that ends soon
    /// and more. They need podMonitoring or podMonitor, which says of which kind they are.
    pub(crate) alerts: bool,
    /// Whether there is a dashboard: a ConfigMap that Grafana's sidecar finds by the label
    /// `grafana_dashboard`.
    pub(crate) dashboard: bool,
}

/// The rules between fields in the language of the API server; see `rules.rs`.
const RULES: [[&str; 2]; 2] = [
    [
        "!has(self.podMonitoring) || !has(self.podMonitor)",
        "podMonitoring and podMonitor exclude each other",
    ],
    [
        "!has(self.alerts) || !self.alerts || has(self.podMonitoring) || has(self.podMonitor)",
        "alerts need podMonitoring or podMonitor",
    ],
];

/// A PodMonitoring, and Rules for the alerts. There is nothing to choose.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PodMonitoring {}

/// A PodMonitor, and a PrometheusRule for the alerts.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct PodMonitor {
    /// Labels that they carry beside Vaultyard's own, by which your Prometheus picks them. For the
    /// usual chart this is `release: NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-vaultyard-default" = "none"))]
    pub(crate) labels: BTreeMap<String, String>,
    /// The namespace that Prometheus runs in. Nobody else is then let in to the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "any: every pod is let in to the metrics"))]
    pub(crate) namespace: Option<Written<ObjectName>>,
}
