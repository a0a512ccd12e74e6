//! What Secrets hold, and Secrets that are created once.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use vaultyard_model::port::clock::Random;
use zeroize::{Zeroize, Zeroizing};

use crate::client::Api;
use crate::error::ApiError;
use crate::object::Apply;
use crate::reference::Reference;

/// The values of a Secret, by their keys. They are wiped when they are dropped.
pub type Data = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// A Secret that is to be created.
pub(crate) struct New<'a> {
    pub(crate) labels: &'a BTreeMap<String, String>,
    /// `type`: `Opaque`, `kubernetes.io/tls`.
    pub(crate) kind: &'a str,
    pub(crate) immutable: bool,
    pub(crate) data: &'a Data,
}

/// Takes the values out of a Secret. One that is not base64, as no API server gives it, is left out.
pub(crate) fn take_data(secret: &mut Value) -> Data {
    let Value::Object(data) = secret["data"].take() else { return Data::new() };
    let decode = |(key, value)| {
        let Value::String(mut text) = value else { return None };
        let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
        text.zeroize();
        Some((key, bytes.ok()?))
    };
    data.into_iter().filter_map(decode).collect()
}

/// The values as a Secret's `data`.
pub(crate) fn encode(data: &Data) -> Map<String, Value> {
    data.iter()
        .map(|(key, value)| (key.clone(), STANDARD.encode(value.as_slice()).into()))
        .collect()
}

/// A field manager that nobody was before, so that applying never replaces what somebody else has
/// applied.
pub(crate) fn new_manager(random: &dyn Random) -> Result<String, String> {
    let mut bytes = [0; 8];
    random.fill(&mut bytes)?;
    Ok(format!("vaultyard-{:016x}", u64::from_be_bytes(bytes)))
}

impl Api {
    /// What the entries of a Secret are called; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn secret_entries(
        &self,
        object: &Reference,
    ) -> Result<Option<BTreeSet<String>>, ApiError> {
        let secret = self.get(object).await?;
        Ok(secret.map(|mut secret| take_data(&mut secret).into_keys().collect()))
    }

    /// Creates the Secret where none is. Returns the new object, `None` when one is there already.
    ///
    /// Server-side apply is the only way of creating for which rights can be held to a name; but it
    /// also changes what is there. So nothing is taken by force, and by a manager that owns nothing:
    /// of an immutable Secret nothing can then be replaced. Callers look first whether there is one
    /// that somebody else made.
    pub(crate) async fn create_secret(
        &self,
        object: &Reference,
        new: &New<'_>,
        manager: &str,
    ) -> Result<Option<Value>, ApiError> {
        let kind = object.kind();
        let mut body = json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": object.name(), "labels": new.labels},
            "type": new.kind,
            "data": encode(new.data),
        });
        if new.immutable {
            body["immutable"] = true.into();
        }
        let apply = Apply { manager, force: false, dry_run: false };
        match self.apply_patch(object, &apply, &body).await {
            Ok(answer) => Ok(answer.created.then_some(answer.body)),
            // It may be refused for being there, or for what it holds: only the first is an answer.
            Err(error) if error.again_after().is_none() => match self.get(object).await {
                Ok(Some(_)) => Ok(None),
                Ok(None) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        let data = Data::from([("a".to_owned(), Zeroizing::new(vec![0, 255, 7]))]);
        let mut secret = json!({"data": encode(&data)});
        assert!(take_data(&mut secret) == data);
        assert!(secret["data"].is_null());
        assert!(take_data(&mut json!({"kind": "Secret"})).is_empty());
    }

    #[test]
    fn managers_are_never_the_same() {
        let random = SeededRandom::new(1);
        assert_ne!(new_manager(&random).unwrap(), new_manager(&random).unwrap());
    }
}
