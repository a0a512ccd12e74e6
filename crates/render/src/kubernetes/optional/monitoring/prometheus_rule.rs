//! Alerts by prometheus-operator.

use std::collections::BTreeMap;

use serde_json::json;
use vaultyard_model::Cluster;

use super::{alerts, labelled};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules");

pub(super) fn prometheus_rule(
    cluster: &Cluster,
    names: &Names,
    labels: &BTreeMap<String, String>,
) -> Object {
    let groups = [alerts::of_application(cluster, names), alerts::of_operations(names)];
    RESOURCE.object_with(labelled(names, labels), json!({"spec": {"groups": groups}}))
}
