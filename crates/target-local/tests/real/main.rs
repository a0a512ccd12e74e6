//! Real servers and real packages on this machine.

#![allow(clippy::unwrap_used)] // Helpers of tests are not recognised as tests.

mod binaries;
mod cluster;
mod parts;
#[path = "../../src/sample.rs"]
mod sample;
mod servers;
