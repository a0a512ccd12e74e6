//! Objects read, listed, changed and deleted.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::client::{Answer, Api, Call};
use crate::error::ApiError;
use crate::kind::Kind;
use crate::reference::Reference;

/// RFC 7396.
const MERGE_PATCH: &str = "application/merge-patch+json";
/// What is applied may be JSON: that is YAML.
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// How an object is applied.
pub(crate) struct Apply<'a> {
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
}

/// A query of these keys and values, `?` included.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pairs = pairs.iter().map(|(key, value)| format!("{key}={}", encode(value)));
    let pairs: Vec<_> = pairs.collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// `metadata.resourceVersion`: another text whenever the object was changed.
pub(crate) fn version(object: &Value) -> Option<&str> {
    object["metadata"]["resourceVersion"].as_str()
}

pub(crate) fn call<'a>(
    verb: &str,
    object: &Reference,
    method: Method,
    ending: &str,
    body: Option<(&'static str, &'a Value)>,
) -> Call<'a> {
    let kind = object.kind();
    Call {
        act: format!("{verb} {object}"),
        kind: format!("{} {}", kind.api_version, kind.kind),
        method,
        path: format!("{}{ending}", object.path()),
        body,
    }
}

impl Api {
    /// Reads the object; `None` when there is none.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn get(&self, object: &Reference) -> Result<Option<Value>, ApiError> {
        match self.call(call("read", object, Method::GET, "", None)).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of a kind, in one namespace or everywhere, narrowed by a query such as
    /// `labelSelector` or `fieldSelector`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        narrowed: &[(&str, &str)],
    ) -> Result<Vec<Value>, ApiError> {
        let place = namespace.map(|name| format!(" in the namespace {name}")).unwrap_or_default();
        let call = Call {
            act: format!("list the {}{place}", kind.plural),
            kind: format!("{} {}", kind.api_version, kind.kind),
            method: Method::GET,
            path: format!("{}{}", kind.path(namespace), query(narrowed)),
            body: None,
        };
        match self.call(call).await?.body["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// What happened to the object, as the cluster has noted it; events are kept for an hour.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn events_about(&self, object: &Reference) -> Result<Vec<Value>, ApiError> {
        let selector = format!(
            "involvedObject.kind={},involvedObject.name={}",
            object.kind().kind,
            object.name()
        );
        self.list(crate::kind::EVENT, object.namespace(), &[("fieldSelector", &selector)]).await
    }

    /// Deletes the object, and only the one with this `metadata.uid`: another of the same name stays.
    /// Returns whether there was any. What it owns goes after it.
    ///
    /// # Errors
    /// [`ApiError`]; a conflict when another one has that name now.
    pub async fn delete(&self, object: &Reference, uid: &str) -> Result<bool, ApiError> {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1",
            "propagationPolicy": "Background", "preconditions": {"uid": uid}});
        let body = Some(("application/json", &options));
        match self.call(call("delete", object, Method::DELETE, "", body)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Changes an object that is there by a merge patch (RFC 7396), with a subresource in `ending`.
    /// A `metadata.resourceVersion` in the patch makes it a compare-and-swap.
    pub(crate) async fn merge(
        &self,
        object: &Reference,
        ending: &str,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, ApiError> {
        let ending = format!("{ending}{}", query(&[("fieldManager", manager)]));
        let body = Some((MERGE_PATCH, patch));
        Ok(self.call(call("change", object, Method::PATCH, &ending, body)).await?.body)
    }

    pub(crate) async fn apply_patch(
        &self,
        object: &Reference,
        apply: &Apply<'_>,
        body: &Value,
    ) -> Result<Answer, ApiError> {
        let force = if apply.force { "true" } else { "false" };
        let mut options = vec![
            ("fieldManager", apply.manager),
            ("force", force),
            // A field that the server does not know is a mistake of ours, not to be dropped.
            ("fieldValidation", "Strict"),
        ];
        if apply.dry_run {
            options.push(("dryRun", "All"));
        }
        let body = Some((APPLY_PATCH, body));
        self.call(call("apply", object, Method::PATCH, &query(&options), body)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query(&[]), "");
        assert_eq!(query(&[("a", "b=c,d"), ("e", "f")]), "?a=b%3Dc%2Cd&e=f");
    }
}
