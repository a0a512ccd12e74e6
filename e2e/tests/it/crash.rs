//! Vaultyard itself is killed.

use std::time::Duration;

use vaultyard_e2e::{Cluster, wait};

#[test]
fn a_killed_vaultyard_leaves_no_server_behind_and_the_next_up_works() {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let home = cluster.crash();
    let journal = writing.stop();
    let processes = home.processes();
    wait("the servers go with it", Duration::from_secs(5), || {
        processes.servers().is_empty().then_some(())
    });

    let cluster = Cluster::of(home, &[]);
    assert_eq!(cluster.faults_of(&journal), []);
    cluster.keys_verify();
}
