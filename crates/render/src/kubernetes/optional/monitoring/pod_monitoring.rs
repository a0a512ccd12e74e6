//! Metrics read by Google.

use serde_json::json;

use super::{endpoints, selector};
use crate::kubernetes::labels::{Scope, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("monitoring.googleapis.com/v1", "PodMonitoring", "podmonitorings");

pub(super) fn pod_monitoring(names: &Names, scope: Scope) -> Object {
    let spec = json!({"selector": selector(names), "endpoints": endpoints()});
    let metadata = metadata(names, scope, None, names.front());
    RESOURCE.object_with(metadata, json!({"spec": spec}))
}
