//! Least privilege, proved by calls: what each account may not do is refused, and what it may do it
//! needs.

mod needed;
mod policy;
mod refused;
