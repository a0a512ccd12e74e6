//! Implementations of [`Volume`](vaultyard_model::port::volume::Volume).

pub mod directory;
