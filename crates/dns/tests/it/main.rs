//! The server, asked over real sockets.

// All of this is test code, which the setting `allow-unwrap-in-tests` does not see from here.
#![allow(clippy::unwrap_used)]

mod client;
mod server;
