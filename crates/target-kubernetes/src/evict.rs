//! Evictions: a pod goes as it does when its node is drained.

use http::Method;
use serde_json::json;

use crate::client::Api;
use crate::error::ApiError;
use crate::object::call;
use crate::reference::Reference;

impl Api {
    /// Has this pod deleted, within its grace period, and only the one with this `metadata.uid`. It stays
    /// where a PodDisruptionBudget keeps it. Returns when the API server has begun with it.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::Budget`](crate::Reason::Budget) when it has to stay, a conflict when
    /// another pod has that name now.
    pub async fn evict(&self, pod: &Reference, uid: &str) -> Result<(), ApiError> {
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name(), "namespace": pod.namespace()},
            "deleteOptions": {"preconditions": {"uid": uid}},
        });
        let body = Some(("application/json", &eviction));
        self.call(call("evict", pod, Method::POST, "/eviction", body)).await.map(drop)
    }
}
