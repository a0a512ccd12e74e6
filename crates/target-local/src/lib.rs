//! The outside world of one machine: a folder for everything, addresses, the server's program,
//! and its processes. Linux only: servers are ended with their supervisor by the kernel.
//!
//! Nothing here decides when a server is started or stopped; the engine does, through
//! [`Launcher`](vaultyard_model::port::launcher::Launcher).

pub mod addresses;
pub mod binaries;
mod files;
pub mod launcher;
pub mod lock;
pub mod process;
pub mod release;
#[cfg(test)]
mod sample;
pub mod server_files;
pub mod state;

pub use launcher::LocalLauncher;
pub use process::spawner::Spawner;
pub use state::StateDirectory;
pub use state::paths::{Paths, ServerFolder};
