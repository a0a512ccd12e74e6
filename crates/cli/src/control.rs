//! The control socket: how another terminal asks a running `up`. HTTP/1.1 over a unix socket in
//! the state directory, which only the owner can enter.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod wire;
