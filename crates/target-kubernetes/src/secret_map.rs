//! A Secret read and written as a whole, by one who must not undo what others wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use vaultyard_model::port::clock::Random;
use vaultyard_render::kubernetes::labels::INSTANCE;

use crate::apply::Owner;
use crate::client::Api;
use crate::error::ApiError;
use crate::object::version;
use crate::reference::Reference;
use crate::secret::{Data, New, encode, new_manager, take_data};

/// One Secret, and how it is made when there is none.
pub struct SecretMap {
    api: Api,
    object: Reference,
    labels: BTreeMap<String, String>,
    kind: &'static str,
    manager: &'static str,
    random: Arc<dyn Random>,
}

/// What the Secret held, and which state of it that was.
pub struct Contents {
    /// Its values.
    pub data: Data,
    version: String,
    keys: Vec<String>,
}

/// Why the Secret was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum SecretMapError {
    /// It belongs to somebody else, and nothing of it is touched.
    #[error("{object} is there already and belongs to {whose}; delete it, or give it another name")]
    Foreign {
        /// The Secret.
        object: String,
        /// Whose it is, as far as its labels say.
        whose: String,
    },
    /// It was changed since it was read: read it again, and decide anew.
    #[error("{object} was changed by somebody else in the meantime")]
    Changed {
        /// The Secret.
        object: String,
    },
    /// The operating system gives no randomness.
    #[error("no randomness: {0}")]
    Random(String),
    /// Anything else.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl SecretMap {
    /// The Secret `object`. `kind` is its type, `Opaque` or `kubernetes.io/tls`; `manager` owns what
    /// is changed in it.
    pub fn new(
        api: Api,
        object: Reference,
        labels: BTreeMap<String, String>,
        kind: &'static str,
        manager: &'static str,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { api, object, labels, kind, manager, random }
    }

    /// Which Secret it is.
    pub fn object(&self) -> &Reference {
        &self.object
    }

    /// What it holds; `None` when there is none.
    ///
    /// # Errors
    /// [`SecretMapError`].
    pub async fn read(&self) -> Result<Option<Contents>, SecretMapError> {
        let Some(secret) = self.api.get(&self.object).await? else { return Ok(None) };
        let cluster = self.labels.get(INSTANCE).map(String::as_str).unwrap_or_default();
        if let Some(whose) = foreign(&secret, cluster) {
            return Err(SecretMapError::Foreign { object: self.object.to_string(), whose });
        }
        Ok(Some(contents(secret)))
    }

    /// Writes all of it, if it still is as it was read; values that are not in `data` go. Without
    /// `before` it is created, if there still is none. Returns what stands there now.
    ///
    /// # Errors
    /// [`SecretMapError`].
    pub async fn write(
        &self,
        before: Option<&Contents>,
        data: &Data,
    ) -> Result<Contents, SecretMapError> {
        let changed = || SecretMapError::Changed { object: self.object.to_string() };
        let Some(before) = before else {
            let new = New { labels: &self.labels, kind: self.kind, immutable: false, data };
            let manager = new_manager(&*self.random).map_err(SecretMapError::Random)?;
            let created = self.api.create_secret(&self.object, &new, &manager).await?;
            return created.map(contents).ok_or_else(changed);
        };
        match self.api.merge(&self.object, "", self.manager, &patch(before, data)).await {
            Ok(secret) => Ok(contents(secret)),
            Err(error) if error.is_conflict() || error.is_not_found() => Err(changed()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whose the Secret is, when it is not the cluster's. One that Vaultyard has written is, whatever
/// somebody has done to its labels.
fn foreign(secret: &Value, cluster: &str) -> Option<String> {
    let ours = |manager: &str| manager.starts_with("vaultyard-");
    let written = |entry: &Value| entry["manager"].as_str().is_some_and(ours);
    let fields = secret["metadata"]["managedFields"].as_array();
    if fields.is_some_and(|fields| fields.iter().any(written)) {
        return None;
    }
    Owner::Cluster(cluster).foreign(secret)
}

fn contents(mut secret: Value) -> Contents {
    let version = version(&secret).unwrap_or_default().to_owned();
    let data = take_data(&mut secret);
    Contents { keys: data.keys().cloned().collect(), data, version }
}

/// The merge patch that makes the Secret hold `data` and nothing else.
fn patch(before: &Contents, data: &Data) -> Value {
    let mut values = encode(data);
    for gone in before.keys.iter().filter(|key| !data.contains_key(*key)) {
        values.insert(gone.clone(), Value::Null);
    }
    json!({"metadata": {"resourceVersion": before.version}, "data": values})
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        let pair = |(key, value): &(&str, &str)| {
            ((*key).to_owned(), Zeroizing::new(value.as_bytes().to_vec()))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_secret_that_vaultyard_has_written_is_ours_without_labels_too() {
        let of = |manager: &str| json!({"metadata": {"managedFields": [{"manager": manager}]}});
        assert!(foreign(&of("kubectl-create"), "vault").is_some());
        assert_eq!(foreign(&of("vaultyard-certificates-controller"), "vault"), None);
    }

    #[test]
    fn a_patch_replaces_everything_and_holds_only_for_what_was_read() {
        let secret = json!({"metadata": {"resourceVersion": "7"},
            "data": encode(&data(&[("gone", "1"), ("kept", "2")]))});
        let patch = patch(&contents(secret), &data(&[("kept", "2"), ("new", "3")]));
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["data"], json!({"kept": "Mg==", "new": "Mw==", "gone": null}));
    }
}
