//! The `VaultCluster`: the document as it stands in the cluster, and the status beside it.

use futures_util::Stream;
use serde_json::{Value, json};
use vaultyard_render::kubernetes::Names;

use crate::backoff::Backoff;
use crate::client::Api;
use crate::error::ApiError;
use crate::kind::VAULT_CLUSTER;
use crate::reference::Reference;

/// How often a status is sent before an API server that has something against it is believed.
const ATTEMPTS: u32 = 5;

/// One `VaultCluster`.
#[derive(Clone)]
pub struct ClusterObject {
    api: Api,
    object: Reference,
}

impl ClusterObject {
    /// The one of the cluster with these names.
    pub fn new(api: Api, names: &Names) -> Self {
        let object = Reference::within(VAULT_CLUSTER, names.namespace(), names.cluster());
        Self { api, object }
    }

    /// The whole object; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn read(&self) -> Result<Option<Value>, ApiError> {
        self.api.get(&self.object).await
    }

    /// The object now and whenever it changes, as [`watch`](crate::watch::watch) does it.
    pub fn watch(&self) -> impl Stream<Item = Result<Option<Value>, ApiError>> + Send + use<> {
        crate::watch::watch(self.api.clone(), self.object.clone())
    }

    /// Sets an annotation; `None` removes it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn annotate(
        &self,
        manager: &str,
        name: &str,
        value: Option<&str>,
    ) -> Result<Value, ApiError> {
        let patch = json!({"metadata": {"annotations": {name: value}}});
        self.api.merge(&self.object, "", manager, &patch).await
    }

    /// Writes these fields of the status, as [`Api::patch_status`] does it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn patch_status(&self, manager: &str, status: &Value) -> Result<Value, ApiError> {
        self.api.patch_status(&self.object, manager, status).await
    }
}

impl Api {
    /// Writes these fields of an object's status; `null` removes one. Others stay.
    ///
    /// # Errors
    /// [`ApiError`], when it did not pass after some attempts.
    pub async fn patch_status(
        &self,
        object: &Reference,
        manager: &str,
        status: &Value,
    ) -> Result<Value, ApiError> {
        let patch = json!({"status": status});
        let mut backoff = Backoff::default();
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match self.merge(object, "/status", manager, &patch).await {
                Err(error)
                    if left > 0 && (error.is_conflict() || error.again_after().is_some()) =>
                {
                    tokio::time::sleep(backoff.after(Some(&error))).await;
                }
                other => return other,
            }
        }
    }
}
