//! The unseal keys: made once, never lost, used to unseal.
//!
//! - [`initialise`]: the state machine beside each server that initialises the first one and
//!   unseals all of them.
//! - [`access`]: logins and policies instead of a standing root token.
//! - [`envelope`]: how keys are encrypted; [`encryption`], [`store`] and [`volume`]: where what
//!   opens them, the keys and the records of initialising are kept.
//! - [`probe`]: whether a store and an encryption do what they are for.
//! - [`rekey`]: new shares in place of the old ones.
//! - [`generate_root`], [`verify`], [`export`], [`take_over`]: what people do with keys.
//!
//! A key is never lost: ARCHITECTURE.md, invariant 1, is what [`initialise`] is tested against.

pub mod access;
pub mod encryption;
pub mod envelope;
pub mod export;
pub mod fault;
pub mod generate_root;
pub mod initialise;
pub mod last_unsealed;
pub mod probe;
pub mod record;
pub mod rekey;
pub mod store;
pub mod stored;
pub mod take_over;
pub mod text;
pub mod verify;
pub mod volume;
