//! The words of Vaultyard: what a cluster is, what was seen of it, and the ports to the outside.
//!
//! This crate has no client, no clock, no runtime and no files: everything here is a value or a
//! trait. A value that exists is valid; nothing that takes one checks it again.

pub mod access;
pub mod address;
pub mod bytes;
mod chain;
pub mod cluster;
pub mod duration;
pub mod layout;
pub mod name;
pub mod observed;
pub mod port;
pub mod secret;
pub mod software;
pub mod status;
pub mod value;
pub mod version;

pub use address::Address;
pub use chain::chain;
pub use cluster::Cluster;
pub use layout::Layout;
pub use name::{ClusterName, DnsName, Namespace, ServerName, Zone};
pub use secret::Secret;
pub use software::Software;
pub use value::Value;
pub use version::{Minor, Version};
