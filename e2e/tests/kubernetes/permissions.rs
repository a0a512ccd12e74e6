//! Least privilege, proved by calls: what each account may not do is refused, and what it may do it
//! needs.

pub(crate) mod needed;
mod policy;
mod refused;

use std::os::unix::process::CommandExt;
use std::process::Command;

use vaultyard_e2e::kubernetes::{Container, Kube, Machines, SINGLE};

#[test]
fn what_is_not_needed_is_refused() {
    let _machines = Machines::shared();
    let cluster = Kube::declared_up(SINGLE);
    refused::every_account(&cluster);
    policy::workloads_that_are_not_vaultyards(&cluster);
    policy::pods_with_the_servers_account(&cluster);
    a_server_sees_nothing_of_its_unsealer(&cluster);
}

/// The user of all containers.
const USER: u32 = 65532;

/// The two are one user in one process namespace, and only one of them mounts what opens the keys.
fn a_server_sees_nothing_of_its_unsealer(cluster: &Kube) {
    let server = cluster.server(0);
    let list = |container| {
        let files = cluster.files_of(&server, container).join("vaultyard");
        Command::new("ls").arg(files).uid(USER).gid(USER).output().unwrap()
    };
    let own = list(Container::Server);
    assert!(own.status.success(), "its own files it sees: {own:?}");
    let others = list(Container::Unsealer);
    let refusal = String::from_utf8_lossy(&others.stderr);
    assert!(!others.status.success() && refusal.contains("Permission denied"), "{others:?}");
}
