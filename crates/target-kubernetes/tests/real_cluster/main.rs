//! The API of a real cluster, which `VAULTYARD_TEST_KUBECONFIG` leads to.

#![allow(clippy::unwrap_used)] // Helpers of tests are not recognised as tests.

mod accounts;
mod apply;
mod connect;
mod cut;
mod lease;
mod place;
mod pods;
mod port_forward;
mod rendered;
mod rights;
mod secrets;
mod watch;
