//! Least privilege, proved by calls: what each account may not do is refused, and what it may do it
//! needs.

mod needed;
mod policy;
mod refused;

use vaultyard_e2e::kubernetes::{Kube, Machines};

#[test]
fn what_is_not_needed_is_refused() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
    refused::every_account(&cluster);
    policy::workloads_that_are_not_vaultyards(&cluster);
    policy::pods_with_the_servers_account(&cluster);
}
