//! The two namespaces.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;

use super::labels::{Scope, metadata};
use super::names::Names;
use super::object::Object;

/// The namespace of what serves, and that of what keeps the cluster.
pub(super) fn namespaces(names: &Names) -> [Object; 2] {
    [namespace(names, names.namespace()), namespace(names, names.operations())]
}

/// Pods with any right on their node are refused in it.
fn namespace(names: &Names, name: &str) -> Object {
    let mut metadata = metadata(names, Scope::Everywhere, None, name);
    let level =
        |mode: &str| (format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned());
    let levels = BTreeMap::from(["enforce", "audit", "warn"].map(level));
    metadata.labels.get_or_insert_default().extend(levels);
    Object::of(&Namespace { metadata, ..Default::default() })
}
