//! A bucket on fake-gcs-server, and a key of a service that speaks as Cloud KMS is documented to.

#![allow(clippy::unwrap_used)] // A test may end where it does not find what it expects.

#[path = "cloud/bucket.rs"]
mod bucket;
#[path = "cloud/emulator.rs"]
mod emulator;
#[path = "cloud/key.rs"]
mod key;
#[path = "cloud/takeover.rs"]
mod takeover;
