//! Fakes of the ports, the contract that fake and real parts keep, and fixed time and randomness.
//! For tests only.

pub mod contract;
pub mod fake_cluster;
pub mod fake_encryption;
pub mod fake_host;
pub mod fake_launcher;
pub mod fake_rollout;
pub mod fake_server;
pub mod fake_snapshots;
pub mod fake_store;
pub mod fake_volume;
pub mod fixed;
mod lock;
pub mod matrix;
pub mod sample;
