//! A tree of plain values, for the parts of a document that only the server understands.

use std::collections::BTreeMap;

/// What `spec.servers.configuration` holds: handed to the server as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// A list, in order.
    List(Vec<Value>),
    /// Named values, ordered by name, so that what is rendered from them is always the same.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// A map without entries.
    pub fn empty_map() -> Self {
        Self::Map(BTreeMap::new())
    }
}
