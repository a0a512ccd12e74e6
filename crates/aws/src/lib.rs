//! AWS as a place for keys: a bucket of S3, or of a store that speaks its protocol, as a key store,
//! and a key of AWS KMS as a key encryption.
//!
//! The few calls that this needs are the documented REST calls, sent by one small [`service`].
//! Credentials and signatures come from a library: see [`Account`].

mod account;
mod hidden;
mod kms;
mod s3;
mod service;

pub use account::{Account, NoAccount};
pub use kms::AwsKms;
pub use s3::S3;
pub use service::NoClient;
