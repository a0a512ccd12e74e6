//! What may be read in the application namespace: the document, for everything that runs there, and
//! the root that vouches for the proxies, for everybody.

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

/// The key of the root in [`trust`], as Gateways want it.
pub const TRUST_KEY: &str = "ca.crt";

/// The ConfigMap with the root, PEM.
pub fn trust(names: &Names, root: &str) -> Object {
    Object::of(&ConfigMap {
        metadata: metadata(names, Scope::Application, None, names.trust()),
        data: Some(BTreeMap::from([(TRUST_KEY.to_owned(), root.to_owned())])),
        ..Default::default()
    })
}
