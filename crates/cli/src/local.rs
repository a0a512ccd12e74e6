//! One machine: everything of a cluster in one process.
//!
//! [`document`] reads what is wanted, [`prepare`] puts it in place, [`assemble`] makes the ports
//! of it, [`run`] runs the loops until it is told to stop.

pub(crate) mod assemble;
pub(crate) mod certificates;
pub(crate) mod change;
pub(crate) mod document;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod names;
pub(crate) mod prepare;
pub(crate) mod program;
pub(crate) mod rehearsal;
pub(crate) mod rollout;
pub(crate) mod run;
pub(crate) mod seal;
pub(crate) mod snapshots;
pub(crate) mod state;
