//! The key store of a cluster without a store elsewhere: each object is an immutable Secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{Create, CustodyError, KeyStore, Object, ObjectName};
use vaultyard_render::kubernetes::labels::labels;
use vaultyard_render::kubernetes::{Names, names::ATTEMPTS};
use zeroize::Zeroizing;

use crate::client::Api;
use crate::error::{ApiError, Reason};
use crate::kind::SECRET;
use crate::reference::Reference;
use crate::secret::{Data, New, new_manager, take_data};

/// The key of the object's bytes.
const OBJECT: &str = "object";
/// The key of a probe's id.
const PROBE: &str = "probe";
/// Objects are never replaced, so each has one version.
const VERSION: u64 = 1;

/// Secrets as a key store.
pub struct SecretStore {
    api: Api,
    names: Names,
    labels: BTreeMap<String, String>,
    random: Arc<dyn Random>,
}

/// What stands where an object is to be.
enum Found {
    Nothing,
    /// The object itself; `None` when its bytes are gone.
    Same(Option<Vec<u8>>),
    /// A probe that somebody did not discard, and its uid.
    Leftover(String),
}

impl SecretStore {
    /// The store of the cluster with these names.
    pub fn new(api: Api, names: Names, random: Arc<dyn Random>) -> Self {
        let labels = labels(&names, None);
        Self { api, names, labels, random }
    }

    /// Where the object is; `None` beyond the last number that has a name.
    fn object(&self, name: &ObjectName) -> Option<Reference> {
        let numbered =
            |number: u32| u16::try_from(number).ok().filter(|it| (1..=ATTEMPTS).contains(it));
        let secret = match name {
            ObjectName::Probe(_) => self.names.keys_probe(),
            ObjectName::Intent(attempt) => self.names.intent(numbered(*attempt)?),
            ObjectName::Keys(attempt) => self.names.keys(numbered(*attempt)?),
            ObjectName::Rekey(number) => self.names.rekey(numbered(*number)?),
            ObjectName::Rekeyed(number) => self.names.rekeyed(numbered(*number)?),
        };
        Some(Reference::within(SECRET, self.names.namespace(), &secret))
    }

    async fn find(&self, object: &Reference, name: &ObjectName) -> Result<Found, CustodyError> {
        let found = self.api.get(object).await.map_err(custody)?;
        Ok(found.map_or(Found::Nothing, |secret| look(secret, name)))
    }
}

/// What a Secret is to one who looks for the object with this name.
fn look(mut secret: Value, name: &ObjectName) -> Found {
    let uid = secret["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let mut data = take_data(&mut secret);
    if let ObjectName::Probe(id) = name
        && data.get(PROBE).is_some_and(|found| found.as_slice() != id.as_bytes())
    {
        return Found::Leftover(uid);
    }
    Found::Same(data.remove(OBJECT).map(|bytes| bytes.to_vec()))
}

pub(crate) fn custody(error: ApiError) -> CustodyError {
    let passes = error.again_after().is_some()
        || matches!(error.reason, Reason::Conflict { .. } | Reason::Expired);
    if passes {
        CustodyError::Retryable(error.to_string())
    } else {
        CustodyError::Fatal(error.to_string())
    }
}

#[async_trait]
impl KeyStore for SecretStore {
    fn describe(&self) -> String {
        format!("Secrets {}-keys-* in namespace {}", self.names.cluster(), self.names.namespace())
    }

    async fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<Create, CustodyError> {
        let object = self.object(name).ok_or_else(|| {
            CustodyError::Fatal(match name {
                ObjectName::Rekey(_) | ObjectName::Rekeyed(_) => format!(
                    "{name} cannot be kept: {ATTEMPTS} rekeys were made, for which there are names; the shares \
                     stay as they are"
                ),
                _ => format!(
                    "{name} cannot be kept: this cluster was begun anew {ATTEMPTS} times, for which there \
                     are names; find out why, then begin anew after \
                     `vaultyard destroy --volumes --keys`"
                ),
            })
        })?;
        match self.find(&object, name).await? {
            Found::Nothing => {}
            // A probe is there to see the API server refuse. Everything else is left alone.
            Found::Same(_) if matches!(name, ObjectName::Probe(_)) => {}
            Found::Same(_) => return Ok(Create::Exists),
            Found::Leftover(uid) => {
                self.api.delete(&object, &uid).await.map_err(custody)?;
            }
        }
        let mut data = Data::from([(OBJECT.to_owned(), Zeroizing::new(bytes.to_vec()))]);
        if let ObjectName::Probe(id) = name {
            data.insert(PROBE.to_owned(), Zeroizing::new(id.clone().into_bytes()));
        }
        let new = New { labels: &self.labels, kind: "Opaque", immutable: true, data: &data };
        let manager = new_manager(&*self.random).map_err(CustodyError::Retryable)?;
        let created = self.api.create_secret(&object, &new, &manager).await.map_err(custody)?;
        Ok(created.map_or(Create::Exists, |_| Create::Created(VERSION)))
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Object>, CustodyError> {
        let Some(object) = self.object(name) else { return Ok(None) };
        match self.find(&object, name).await? {
            Found::Nothing | Found::Leftover(_) => Ok(None),
            Found::Same(Some(bytes)) => Ok(Some(Object { bytes, version: VERSION })),
            Found::Same(None) => Err(CustodyError::Fatal(format!(
                "{object} has no value {OBJECT}, so somebody else made it; restore it from a backup"
            ))),
        }
    }

    async fn discard_probe(&self, probe: &str) -> Result<(), CustodyError> {
        let name = ObjectName::Probe(probe.to_owned());
        let Some(object) = self.object(&name) else { return Ok(()) };
        let Some(secret) = self.api.get(&object).await.map_err(custody)? else { return Ok(()) };
        let uid = secret["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if matches!(look(secret, &name), Found::Leftover(_)) {
            return Ok(());
        }
        self.api.delete(&object, &uid).await.map(drop).map_err(custody)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::encode;

    fn secret(pairs: &[(&str, &str)]) -> Value {
        let pair = |(key, value): &(&str, &str)| {
            ((*key).to_owned(), Zeroizing::new(value.as_bytes().to_vec()))
        };
        let data: Data = pairs.iter().map(pair).collect();
        json!({"metadata": {"uid": "u"}, "data": encode(&data)})
    }

    #[test]
    fn a_probe_with_another_id_is_a_leftover() {
        let name = ObjectName::Probe("one".to_owned());
        let own = look(secret(&[(OBJECT, "x"), (PROBE, "one")]), &name);
        assert!(matches!(own, Found::Same(Some(bytes)) if bytes == b"x"));
        let other = look(secret(&[(OBJECT, "x"), (PROBE, "two")]), &name);
        assert!(matches!(other, Found::Leftover(uid) if uid == "u"));
    }

    #[test]
    fn a_secret_without_its_bytes_is_no_object() {
        assert!(matches!(look(secret(&[("a", "x")]), &ObjectName::Keys(1)), Found::Same(None)));
    }

    #[test]
    fn what_passes_is_retryable_and_what_lasts_is_fatal() {
        let error = |reason| custody(ApiError { act: "read it".to_owned(), reason });
        assert!(error(Reason::TooMany { retry_after: std::time::Duration::ZERO }).is_retryable());
        assert!(
            error(Reason::Conflict { message: String::new(), fields: Vec::new() }).is_retryable()
        );
        assert!(!error(Reason::NotFound).is_retryable());
        assert!(!error(Reason::Credentials { message: String::new() }).is_retryable());
    }
}
