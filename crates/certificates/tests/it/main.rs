//! The authority, leaves and handshakes, on real files and real connections.

// All of this is test code, which the setting `allow-unwrap-in-tests` does not see from here.
#![allow(clippy::unwrap_used)]

mod authority;
mod handshake;
mod leaf;
mod leaves;
mod scene;
mod store;
