//! The loops: observe (I/O), plan (pure), execute (no choices), report.
//!
//! Everything outside is behind a port of `vaultyard-model`, so the same loops run on one machine
//! and on Kubernetes. Each file is one loop:
//!
//! | file | loop |
//! |---|---|
//! | [`supervisor`] | one server's process: start, wait for its end, start again |
//! | [`keeping`] | one [`Keeper`](vaultyard_model::port::keeper::Keeper): round after round |
//! | [`rollout`] | bring the servers to what the document says, one after another |
//! | [`prober`] | the authenticated read through the leader, and the raft configuration |
//! | [`watcher`] | observe all servers, mend what only looks alive, publish the status |
//! | [`departure`] | take a server out of raft so that it stays out |
//! | [`shutdown`] | stop all servers in order |

pub mod board;
pub mod departure;
pub mod keeping;
pub mod prober;
pub mod rollout;
pub mod shutdown;
pub mod supervisor;
pub mod watcher;
