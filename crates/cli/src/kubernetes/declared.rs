//! The document of a cluster, as its `VaultCluster` holds it.

use serde_json::{Value, json};
use vaultyard_manifest::{API_VERSION, KIND, Target};
use vaultyard_render::kubernetes::Names;

use crate::document::{self, Document};
use crate::failure::Failure;

/// Reads it. What Kubernetes has added to the object is left out.
pub(crate) fn read(object: &Value, names: &Names) -> Result<Document, Failure> {
    let document = json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
        "spec": object["spec"],
    });
    let title =
        format!("the VaultCluster {} in the namespace {}", names.cluster(), names.namespace());
    document::parse(&title, format!("{document:#}\n"), Target::Kubernetes)
}
