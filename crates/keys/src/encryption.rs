//! Implementations of [`KeyEncryption`](vaultyard_model::port::custody::KeyEncryption).

pub mod local;
