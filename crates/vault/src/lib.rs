//! A typed client of the HTTP API that OpenBao and HashiCorp Vault share.
//!
//! [`Client`] speaks to one server, over TLS or over the server's own unix socket. Calls without a
//! token are the port [`Server`](vaultyard_model::port::server::Server); calls with one are
//! methods of [`Authorised`]. [`Session`] logs in with a client certificate and keeps the token.
//!
//! Every error says what is known of the call's effect: see
//! [`CallError`](vaultyard_model::port::server::CallError).

mod authorised;
mod call;
mod client;
mod connection;
mod generate_root;
mod json;
mod login;
#[cfg(test)]
mod scripted;
mod server;
mod session;

pub use authorised::Authorised;
pub use authorised::certificate_role::CertificateRole;
pub use authorised::rotate::{NewShares, Rotation, RotationProgress};
pub use authorised::service_account::{ServiceAccountRole, TokenReview};
pub use authorised::token::TokenSeen;
pub use client::{Client, Endpoint};
pub use generate_root::{RootAttempt, RootProgress};
pub use json::{Exposed, Hidden};
pub use login::Login;
pub use session::Session;
