//! Metrics read by prometheus-operator.

use std::collections::BTreeMap;

use serde_json::json;

use super::{endpoints, labelled, selector};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("monitoring.coreos.com/v1", "PodMonitor", "podmonitors");

pub(super) fn pod_monitor(names: &Names, labels: &BTreeMap<String, String>) -> Object {
    let spec = json!({
        "namespaceSelector": {"matchNames": [names.namespace(), names.operations()]},
        "selector": selector(names),
        "podMetricsEndpoints": endpoints(),
    });
    RESOURCE.object_with(labelled(names, labels), json!({"spec": spec}))
}
