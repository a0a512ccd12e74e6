//! A secret in JSON.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A text that is wiped when it is dropped.
#[derive(Default)]
pub(crate) struct Hidden(pub(crate) Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}
