//! Everything that is promised, tried on real servers through the built binary. One program, so
//! that the tests of all files share the machine.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_input;
mod certificates;
mod checker;
mod clock;
mod crash;
mod disk;
mod dns;
mod faults;
mod first_run;
mod keys;
mod kills;
mod misplaced_data;
mod proxy_load;
mod rekeys;
mod rollout;
mod run_command;
mod scale;
mod seal;
mod second_up;
mod secrets;
mod snapshots;
mod soak;
mod state_folder;
mod take_over;
mod vault;
