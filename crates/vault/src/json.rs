//! JSON that may hold secrets.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;
use zeroize::Zeroizing;

/// Bodies that hold secrets are smaller than this, so that the buffer is never moved and no copy
/// stays behind in memory.
const ROOM: usize = 8 * 1024;

pub(crate) fn write(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let mut body = Zeroizing::new(Vec::with_capacity(ROOM));
    serde_json::to_writer(&mut *body, value)
        .map_err(|wrong| CallError::Malformed(format!("the request as JSON: {wrong}")))?;
    Ok(body)
}

/// A secret that is written as the text it is.
pub struct Exposed<'a>(pub &'a Secret);

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.expose_text();
        serializer.serialize_str(text.ok_or(serde::ser::Error::custom("a secret is not text"))?)
    }
}

/// A secret that is read from text.
pub struct Hidden(pub Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::from(text)))
    }
}
