//! The inside of a server's pod, as the containers of Vaultyard see it: the processes that they
//! share with the server, and the folders.

pub mod files;
pub mod host;
pub mod paths;
mod process;

pub use host::{Looker, PodHost, watch_server};
pub use paths::Paths;
