//! Google Cloud as a place for keys: a bucket of Cloud Storage as a key store, a key of Cloud KMS as
//! a key encryption, and what vault-init left in the one under the other.
//!
//! The five calls that this needs are Google's documented REST calls, sent by one small
//! [`service`] over HTTPS. Credentials come from Google's own library: see [`Account`].

mod account;
mod checksum;
mod hidden;
mod kms;
mod service;
mod storage;
mod takeover;

pub use account::{Account, NoAccount};
pub use kms::GoogleKms;
pub use service::NoClient;
pub use storage::GoogleStorage;
pub use takeover::{LeftKeys, Takeover, TakeoverError};
