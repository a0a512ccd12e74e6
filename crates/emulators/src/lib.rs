//! Services of clouds as tests start them: fake-gcs-server, moto, and one of our own that speaks as
//! Cloud KMS is documented to. For tests only.

#![allow(clippy::unwrap_used, reason = "a test may end where it does not find what it expects")]

pub mod google;
pub mod google_kms;
pub mod moto;
mod process;
pub mod service;
