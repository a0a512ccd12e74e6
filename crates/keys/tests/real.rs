//! The unsealer, access and the way back in, on real OpenBao servers.

#[path = "real/access.rs"]
mod access;
#[path = "real/servers.rs"]
mod servers;
#[path = "real/unsealing.rs"]
mod unsealing;
