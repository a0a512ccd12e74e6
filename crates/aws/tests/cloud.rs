//! A bucket and a key of moto, which speaks as S3 and AWS KMS do.

#![allow(clippy::unwrap_used)] // A test may end where it does not find what it expects.

#[path = "cloud/bucket.rs"]
mod bucket;
#[path = "cloud/emulator.rs"]
mod emulator;
#[path = "cloud/key.rs"]
mod key;
#[path = "cloud/refusals.rs"]
mod refusals;
