//! A text of a document that stands for a value.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::format::Readable;

/// A text that is checked against the form of `T` before anything is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written<T> {
    text: String,
    form: PhantomData<T>,
}

/// A text that has not the form it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misread {
    pub(crate) text: String,
    pub(crate) allowed: String,
}

impl<T: Readable> Written<T> {
    /// Takes the text as it is, for defaults.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), form: PhantomData }
    }

    /// What it stands for.
    pub(crate) fn value(&self) -> Result<T, Misread> {
        let allowed = || T::FORMAT.described().to_owned();
        T::read(&self.text).map_err(|_| Misread { text: self.text.clone(), allowed: allowed() })
    }
}

impl<T> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: Readable> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self { text, form: PhantomData })
    }
}

impl<T: Readable> JsonSchema for Written<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.name().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "x-vaultyard-format": T::FORMAT.name() })
    }
}
