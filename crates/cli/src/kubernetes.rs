//! Kubernetes: the parts of a cluster that run in pods of their own, and what a person does from
//! outside.
//!
//! Each controller is one file here, named as its command is (`vaultyard controller NAME`):
//! [`prepare`], [`unsealer`] and [`prover`] beside each server, [`proxy`], and [`certificates`] and [`cluster`]
//! in the operations namespace. A person's commands come by [`reach`]: [`up`] installs, [`rendered`]
//! prints what it would, [`plan`] what it would change, and [`apply`] asks before it does.

pub(crate) mod apply;
pub(crate) mod certificates;
pub(crate) mod check;
pub(crate) mod cluster;
mod custody;
mod declared;
mod delivery;
pub(crate) mod destroy;
mod door;
pub(crate) mod down;
mod draining;
pub(crate) mod env;
mod forward;
mod gauges;
mod hands;
mod hindrance;
mod holding;
mod inner_door;
mod install;
mod leading;
mod leaving;
pub(crate) mod login;
pub(crate) mod logs;
mod mounted;
mod operating;
mod operation;
pub(crate) mod operations;
pub(crate) mod plan;
mod pod;
pub(crate) mod prepare;
pub(crate) mod prover;
pub(crate) mod proxy;
pub(crate) mod reach;
mod ready;
mod rehearsal;
pub(crate) mod rendered;
mod report;
mod retire;
mod reviewer;
mod rollout;
mod sites;
mod snapshots;
mod standing;
mod telling;
mod trust;
pub(crate) mod unsealer;
pub(crate) mod up;
mod version_change;
mod waiting;
mod witness;
