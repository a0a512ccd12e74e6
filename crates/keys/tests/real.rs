//! The unsealer, access and the way back in, on real OpenBao servers.

#![allow(clippy::unwrap_used)] // A test may end where it does not find what it expects.

#[path = "real/access.rs"]
mod access;
#[path = "real/seal.rs"]
mod seal;
#[path = "real/servers.rs"]
mod servers;
#[path = "real/transit.rs"]
mod transit;
#[path = "real/unsealing.rs"]
mod unsealing;
