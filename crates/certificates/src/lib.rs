//! Certificates: the cluster's own authority, leaves that are issued and renewed, and the proof
//! by a handshake of what is served.
//!
//! | module | what it does | I/O |
//! |---|---|---|
//! | [`wanted`] | which leaf somebody needs | none |
//! | [`inspect`] | what a certificate says | none |
//! | [`renew`] | whether a leaf is still the right one, and why not | none |
//! | [`store`] | where keys and certificates lie: a folder, or entries in memory | files |
//! | [`authority`] | root, server CA and client CA; issues leaves | through [`store`] |
//! | [`leaf`] | keeps a wanted leaf in a folder | files |
//! | [`leaves`] | brings the leaves among entries up to date | none |
//! | [`tls`] | what rustls needs: client settings, a certificate that can be replaced | files |
//! | [`handshake`] | which certificate a server really serves | network |
//!
//! Only [`authority`] knows who signs. Another issuer (ACME) hands out the same
//! [`authority::Issued`], so that files, renewal and proof stay as they are.
//!
//! Functions that touch files block; an asynchronous caller runs them on a blocking thread.

pub mod authority;
pub mod handshake;
pub mod inspect;
pub mod leaf;
pub mod leaves;
pub mod renew;
mod sign;
pub mod store;
pub mod tls;
pub mod wanted;

pub use authority::Authority;
pub use inspect::Certificate;
pub use leaf::{Ensured, Leaf};
pub use store::{Entries, FileError, Folder, PemStore};
pub use wanted::{Usage, Wanted};
