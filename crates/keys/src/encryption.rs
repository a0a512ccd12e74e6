//! Key encryptions that need nobody's cloud.

pub mod age;
mod file;
pub mod local;
pub mod pkcs11;
pub mod transit;
