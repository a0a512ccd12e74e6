//! What is promised on Kubernetes, tried on the test cluster: `cargo xtask test`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_input;
mod controllers;
mod drains;
mod drift;
mod first_run;
mod ingress;
mod key_stores;
mod keys;
mod kills;
mod operations;
mod outages;
mod permissions;
mod plans;
mod pods;
mod questions;
mod rollouts;
mod scale;
mod soak;
mod vault;
