//! A key encryption that hides nothing but keeps the contract.

use std::sync::Mutex;

use async_trait::async_trait;
use vaultyard_model::Secret;
use vaultyard_model::port::custody::{Custody, CustodyError, KeyEncryption, WrappedKey};

use crate::lock::lock;

/// Wraps by XOR, with the context beside the key. Can be told to fail.
#[derive(Debug, Default)]
pub struct FakeEncryption {
    failure: Mutex<Option<CustodyError>>,
}

impl FakeEncryption {
    /// From now on every call fails so; `None`: every call works again.
    pub fn fail(&self, failure: Option<CustodyError>) {
        *lock(&self.failure) = failure;
    }

    fn check(&self) -> Result<(), CustodyError> {
        lock(&self.failure).clone().map_or(Ok(()), Err)
    }
}

const MASK: u8 = 0x5a;
const KEY_ID: &str = "fake/1";

/// A sum that every changed bit changes, in place of an authentication tag.
fn tag(parts: [&[u8]; 2]) -> [u8; 8] {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.into_iter().flatten() {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    sum.to_be_bytes()
}

#[async_trait]
impl KeyEncryption for FakeEncryption {
    fn describe(&self) -> Custody {
        Custody { location: "a fake".to_owned(), key_beside_data: false }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        self.check()?;
        let mut bytes: Vec<u8> = key.expose().iter().map(|byte| byte ^ MASK).collect();
        let tag = tag([&bytes, context]);
        bytes.extend_from_slice(&tag);
        Ok(WrappedKey { key_id: KEY_ID.to_owned(), bytes })
    }

    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        self.check()?;
        let changed = || CustodyError::Fatal("the wrapped key was changed".to_owned());
        if key.key_id != KEY_ID {
            return Err(CustodyError::Fatal(format!("there is no key {}", key.key_id)));
        }
        let (bytes, found) = key.bytes.split_last_chunk::<8>().ok_or_else(changed)?;
        if tag([bytes, context]) != *found {
            return Err(changed());
        }
        Ok(Secret::new(bytes.iter().map(|byte| byte ^ MASK).collect()))
    }
}
