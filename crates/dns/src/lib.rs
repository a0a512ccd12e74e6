//! The names of a cluster, and the authoritative DNS server that answers for them.
//!
//! | module | what it does | I/O |
//! |---|---|---|
//! | [`records`] | which records a cluster has | none |
//! | [`zone`] | these records, ready to be asked, under one serial number | none |
//! | [`answer`] | a request in, its answer out, both as bytes | none |
//! | [`server`] | UDP and TCP | network |
//!
//! The wire format is hickory-proto's. The server is our own few lines around it: hickory-server
//! 0.26 has no limit on TCP connections, starts a task for each datagram and logs each query,
//! and with our own the whole of answering is a function of bytes that tests call directly.

pub mod answer;
pub mod records;
pub mod server;
pub mod zone;

pub use records::{Facts, Records};
pub use server::{Handle, Server};
pub use zone::Zone;
