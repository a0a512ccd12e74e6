//! Snapshots of a cluster's data: taken through the leader, checked while they arrive, kept encrypted.
//!
//! - [`archive`]: what a server sends, and whether it is whole.
//! - [`file`](mod@file): a snapshot as it is kept: a header that anybody may read, and the archive, encrypted.
//! - [`folder`]: the snapshots of a cluster, one file each.
//! - [`shelf`]: that folder, or a bucket that they come to from there.
//! - [`probe`]: whether that bucket does its part.
//! - [`schedule`]: when one is due by itself, and which are too many.
//! - [`take`](mod@take), [`verify`](mod@verify) and [`restore`]: what people do with them.
//!
//! A snapshot holds all data of the cluster under its own seal, and neither raft peers nor unseal keys:
//! it is worth as much as the keys of its [`Generation`](vaultyard_keys::record::Generation), which the
//! header names.

pub mod archive;
pub mod file;
pub mod folder;
mod pieces;
pub mod probe;
pub mod restore;
pub mod schedule;
pub mod shelf;
pub mod take;
pub mod verify;
