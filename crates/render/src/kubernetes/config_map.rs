//! The document, for everything that runs in the application namespace.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::labels::{Scope, metadata};
use super::names::Names;
use super::object::Object;
use super::pod::DOCUMENT_FILE;

/// The ConfigMap with the document's text.
pub(super) fn document(names: &Names, text: &str) -> Object {
    Object::of(&ConfigMap {
        metadata: metadata(names, Scope::Application, None, names.document()),
        data: Some(BTreeMap::from([(DOCUMENT_FILE.to_owned(), text.to_owned())])),
        ..Default::default()
    })
}
