//! The inside of a server's pod, as the containers of Vaultyard see it: the processes that they
//! share with the server, and the folders.

pub mod files;
pub mod host;
pub mod paths;
mod process;

pub use host::{Looker, PodHost, watch_server};
pub use paths::Paths;

/// The id of the server's process, while it runs.
///
/// # Errors
/// The system's, when the processes of the pod cannot be looked at.
pub fn server_process(paths: &Paths) -> std::io::Result<Option<u32>> {
    process::with_argument(&host::marker(paths))?.next().transpose()
}
