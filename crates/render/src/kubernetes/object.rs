//! One object as JSON, whatever its kind, and many of them as YAML.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};
use serde::Serialize;
use serde_json::Value as Json;

/// One object, as it is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`; none for what stands in no namespace.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// The whole of it, `apiVersion` and `kind` included.
    pub body: Json,
}

impl Object {
    pub(super) fn of<T>(typed: &T) -> Self
    where
        T: Resource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let metadata = typed.metadata();
        Self {
            api_version: T::API_VERSION.to_owned(),
            kind: T::KIND.to_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            // These types hold nothing but texts, numbers and maps of texts: all of it is JSON.
            body: serde_json::to_value(typed).unwrap_or_default(),
        }
    }

    /// Whether both are the same object, whatever stands in them.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.api_version == other.api_version
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }

    /// An object that comes as JSON already.
    pub(super) fn from_json(body: Json) -> Self {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        Self {
            api_version: text(&body["apiVersion"]).unwrap_or_default(),
            kind: text(&body["kind"]).unwrap_or_default(),
            namespace: text(&body["metadata"]["namespace"]),
            name: text(&body["metadata"]["name"]).unwrap_or_default(),
            body,
        }
    }
}

/// The objects as one stream of YAML documents, in their order.
pub fn yaml(objects: &[Object]) -> String {
    let document = |object: &Object| {
        // A JSON document is a YAML document, should the writer ever refuse one.
        let text = serde_saphyr::to_string(&object.body);
        let text = text.unwrap_or_else(|_| format!("{:#}", object.body));
        format!("---\n{}\n", text.trim_end_matches('\n'))
    };
    objects.iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
            "data": {
                "number": "8200", "octal": "0440", "truth": "true", "word": "no", "null": "~",
                "empty": "", "time": "1:30", "lines": "a: b\n  c\n\nd\n", "open": "no end\nhere",
                "spaces": "  before\n and after  \n", "colon": "a: b", "hash": "a #b",
            },
        });
        let text = yaml(&[Object::from_json(body.clone())]);
        let back: Json = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, body, "{text}");
    }
}
