//! The unsealer against a model of servers, a store and volumes that die, fail, vanish and lie.

#[path = "initialising/crashes.rs"]
mod crashes;
#[path = "initialising/histories.rs"]
mod histories;
#[path = "initialising/situations.rs"]
mod situations;
#[path = "initialising/world.rs"]
mod world;
