//! CRC32C, which Google's services keep beside what they are given.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut growing = Growing::default();
        growing.add(bytes);
        growing.so_far()
    }

    /// As Cloud Storage writes it: base64 of the bytes, the most significant first.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        Some(Self(u32::from_be_bytes(bytes.try_into().ok()?)))
    }

    /// The one among the values of `x-goog-hash`.
    pub(crate) fn from_header(value: &str) -> Option<Self> {
        let found = value.split(',').find_map(|part| part.trim().strip_prefix("crc32c="));
        found.and_then(Self::from_base64)
    }
}

/// The checksum of what comes in pieces.
pub(crate) struct Growing(Digest);

impl Default for Growing {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Growing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that was added.
    pub(crate) fn so_far(&self) -> Crc32c {
        // The algorithm has 32 bits; the library has one type for all of them.
        Crc32c(u32::try_from(self.0.finalize()).unwrap_or_default())
    }
}

/// As Cloud KMS writes it: a 64-bit integer, which JSON carries as a text.
impl Serialize for Crc32c {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Crc32c {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| de::Error::custom("a checksum is not a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(Crc32c::of(&[0; 32]), Crc32c(0x8a91_36aa));
        assert_eq!(Crc32c::of(b"123456789"), Crc32c(0xe306_9283));
    }

    #[test]
    fn storage_writes_it_in_base64_and_kms_as_a_number() {
        let sum = Crc32c::of(b"data1");
        assert_eq!(Crc32c::from_header("md5=x, crc32c=seMjNg=="), Some(sum));
        assert_eq!(Crc32c::from_header("md5=x"), None);
        assert_eq!(Crc32c::from_base64("seMjNg"), None);
        let json = serde_json::to_string(&sum).unwrap();
        assert_eq!(json, "\"2984452918\"");
        assert_eq!(serde_json::from_str::<Crc32c>(&json).unwrap(), sum);
    }
}
