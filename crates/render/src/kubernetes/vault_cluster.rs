//! The object that the controllers read: the person's own document.

use serde_json::{Value as Json, json};

use super::names::Names;
use super::object::Object;

/// The document, in its namespace.
pub(super) fn vault_cluster(names: &Names, document: &Json) -> Object {
    let mut body = document.clone();
    if let Some(metadata) = body.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.insert("namespace".to_owned(), json!(names.namespace()));
    }
    Object::from_json(body)
}
