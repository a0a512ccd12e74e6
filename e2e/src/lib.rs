//! The harness of the end-to-end tests: it runs the built `vaultyard` on real OpenBao servers, as a
//! person would, and knows nothing of its inside.
//!
//! - [`Home`] is where one cluster lives: a folder and a block of loopback addresses of its own.
//! - [`Cluster`] is a `vaultyard up` in that home, brought to `Ready`.
//! - [`journal`] writes through the proxy and notes what was acknowledged; [`verdict`] compares the
//!   notes with what is in the store.
//!
//! A test fails by a panic that says what was waited for and what Vaultyard said.
#![allow(
    clippy::unwrap_used,
    reason = "this package is tests as a whole; a panic is how a test fails"
)]

mod addresses;
mod cluster;
mod contents;
mod disk;
mod google;
mod home;
mod https;
pub mod journal;
pub mod kubernetes;
mod plain;
mod processes;
mod status;
pub mod verdict;
mod wait;

pub use cluster::{Cluster, SERVERS};
pub use contents::contents;
pub use disk::Disk;
pub use google::Google;
pub use home::{Faults, Home, Said, Up, openbao};
pub use https::{Access, Answer, Client, NoAnswer};
pub use processes::Processes;
pub use status::{Certificate, Condition, Controller, Server, Status};
pub use wait::wait;
