//! What a target is told, made from the model: texts and objects, nothing else. Everything here is
//! pure and cannot fail, because what the model holds is valid.

pub mod kubernetes;
pub mod prerequisites;
#[cfg(test)]
mod sample;
pub mod server_configuration;
pub mod systemd;

pub use server_configuration::{Owner, Paths, server_configuration};
pub use systemd::{Unit, systemd_unit};
