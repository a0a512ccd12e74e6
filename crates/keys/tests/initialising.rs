//! The unsealer against a model of servers, a store and volumes that die, fail, vanish and lie.

#![allow(clippy::unwrap_used)] // A test may end where it does not find what it expects.

#[path = "initialising/crashes.rs"]
mod crashes;
#[path = "initialising/histories.rs"]
mod histories;
#[path = "initialising/second_tries.rs"]
mod second_tries;
#[path = "initialising/situations.rs"]
mod situations;
#[path = "initialising/world.rs"]
mod world;
