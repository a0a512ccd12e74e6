//! The ports: traits that the outside implements. Each has a fake in `vaultyard-testkit` and one
//! contract test that runs on the fake and on the real part.

pub mod clock;
pub mod custody;
pub mod host;
pub mod keeper;
pub mod launcher;
pub mod rollout;
pub mod server;
pub mod snapshots;
pub mod volume;
