//! The proxy before servers that answer as real ones do, over TLS on loopback.

// A test that cannot go on fails there; clippy knows only `#[test]` functions for tests.
#![allow(clippy::unwrap_used)]

mod clients;
mod held;
mod leaders;
mod play;
mod requests;
mod server;
mod tls;
