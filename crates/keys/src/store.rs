//! Implementations of [`KeyStore`](vaultyard_model::port::custody::KeyStore).

pub mod directory;
