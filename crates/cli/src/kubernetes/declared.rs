//! The document of a cluster, as its `VaultCluster` holds it.

use std::pin::Pin;

use futures_util::stream::{Stream, StreamExt};
use serde_json::{Value, json};
use vaultyard_manifest::{API_VERSION, KIND, Target};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::ApiError;

use crate::document::{self, Document};
use crate::failure::{Failure, Kind, failed};

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

/// A `VaultCluster` as it changes.
pub(crate) type Changes = Pin<Box<dyn Stream<Item = Result<Option<Value>, ApiError>> + Send>>;

/// The next `VaultCluster` that declares something else than `before`. Its status changes all the
/// time, and that is nothing to begin anew for.
pub(crate) async fn next(
    changes: &mut Changes,
    before: Option<&Value>,
) -> Result<Option<Value>, Failure> {
    let identity = |object: &Value| {
        let metadata = &object["metadata"];
        (metadata["uid"].clone(), metadata["generation"].clone())
    };
    loop {
        let ended = || Failure::text(Kind::Failed, "the watch of the VaultCluster ended");
        let now = changes.next().await.ok_or_else(ended)?.map_err(failed)?;
        if before.is_none() || now.as_ref().map(identity) != before.map(identity) {
            return Ok(now);
        }
    }
}
