//! The outside world "Kubernetes": the API server, and the inside of a server's pod.
//!
//! Nothing here decides what a cluster looks like: objects come from `vaultyard-render`, and who
//! applies them when is wired elsewhere.

pub mod access_review;
pub mod apply;
mod backoff;
pub mod client;
pub mod cluster;
pub mod error;
pub mod event;
mod evict;
pub mod kind;
pub mod lease;
mod log;
mod object;
pub mod pod;
pub mod pods;
pub mod port_forward;
pub mod reference;
mod secret;
pub mod secret_map;
pub mod secret_store;
pub mod secret_text;
pub mod token_request;
pub mod watch;

pub use client::{Api, ConnectError};
pub use error::{ApiError, Reason};
pub use kind::Kind;
pub use reference::Reference;
pub use secret::Data as SecretData;
pub use secret_store::SecretStore;
