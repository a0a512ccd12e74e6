//! Alerts by Google.

use serde_json::{Value as Json, json};

use crate::kubernetes::labels::{Scope, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;
use crate::kubernetes::optional::{Resource, resource};

pub(in crate::kubernetes::optional) const RESOURCE: Resource =
    resource("monitoring.googleapis.com/v1", "Rules", "rules");

pub(super) fn rules(names: &Names, scope: Scope, group: Json) -> Object {
    let metadata = metadata(names, scope, None, names.front());
    RESOURCE.object_with(metadata, json!({"spec": {"groups": [group]}}))
}
